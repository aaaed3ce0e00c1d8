"""The worth of each network of a section: its best classes, and its accuracy for its cost."""

from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.groups import RecipeGroup, Section
from jaxcnn.reporting.comparison.tables import mean_text
from jaxcnn.reporting.document import Paragraph, Table
from jaxcnn.text import decimal, integer, join_names, percent

_BEST = 5  # classes of a network
_LARGE = 20  # classes of a dataset of which the best are listed


def best_classes_tables(section: Section) -> list[Table]:
    """Return the classes that each network knows best, and those that a publication prints."""
    names, groups = section.class_names(), section.evaluated_groups
    tables = []
    if len(names) >= _LARGE and groups:
        head = ["network", *(f"{place}." for place in range(1, _BEST + 1))]
        rows = [[group.label, *_best_classes(group, names)] for group in groups]
        tables.append(Table("The classes that each network knows best.", head, rows))
    printed = {name for group in groups if group.figures for name in group.figures.classes}
    if printed:
        shown = [g for g in groups if g.figures and g.figures.classes]
        head = ["class", *(f"{g.label}{kind}" for g in shown for kind in ("", ", published"))]
        rows = [
            [name, *(cell for group in shown for cell in _printed_class(group, name))]
            for name in names
            if name in printed
        ]
        tables.append(Table("The classes that the publication prints.", head, rows))
    return tables


def _best_classes(group: RecipeGroup, names: list[str]) -> list[str]:
    metrics = {name: metric for name in names if (metric := group.class_metric(name))}
    ranked = sorted(metrics, key=lambda name: -metrics[name].mean)
    return [f"{name} {percent(metrics[name].mean)}" for name in ranked[:_BEST]]


def _printed_class(group: RecipeGroup, name: str) -> tuple[str, str]:
    published = group.figures.classes.get(name) if group.figures else None
    return mean_text(group.class_metric(name), percent), percent(published)


def worth_text(section: Section) -> list[Paragraph]:
    """Return sentences on accuracy for cost; none of fewer than two finished networks.

    Times are compared only if all networks ran on the same machine. Accuracies are those of the
    runs: a network that is ahead by less than the seeds' spread may not be the better one.
    """
    accuracies = {
        group.label: accuracy.mean
        for group in section.finished
        if (accuracy := group.result("test_accuracy")) and _costs(group)
    }
    if len(accuracies) < 2:
        return []
    costs = {group.label: _costs(group) for group in section.finished if group.label in accuracies}
    kinds = ["parameters", "operations"]
    devices = {records.device(run) for run in section.finished_runs}
    if len(devices) == 1 and "" not in devices:
        kinds.append("seconds per epoch")
    kinds = [kind for kind in kinds if all(kind in cost for cost in costs.values())]
    lines = [_first(section, list(costs))]
    for kind in kinds:
        least = min(costs, key=lambda name: costs[name][kind])
        rest = [cost[kind] for name, cost in costs.items() if name != least]
        digits = decimal if kind == "seconds per epoch" else integer
        lines.append(
            f"{least} has the fewest {kind}, {digits(costs[least][kind])}; the next has "
            f"{decimal(min(rest) / costs[least][kind])} times as many."
        )
    if kinds:
        lines += [line for name in costs if (line := _beaten(name, accuracies, costs, kinds))]
    return [Paragraph(" ".join(lines))]


def _costs(group: RecipeGroup) -> dict[str, float]:
    """Return the costs of a network by name; those that are unknown or 0 are left out."""
    costs = {
        "parameters": group.result("parameters"),
        "operations": group.result("flops"),
        "seconds per epoch": group.seconds_per_epoch,
    }
    return {name: cost.mean for name, cost in costs.items() if cost and cost.mean > 0}


def _first(section: Section, names: list[str]) -> str:
    ranked = [g for g in section.finished if g.label in names]  # the best first
    best, second = (group.result("test_accuracy") for group in ranked[:2])
    if best is None or second is None:
        return ""
    ahead = 100 * (best.mean - second.mean)
    single = ", by one run each" if best.n == second.n == 1 else ""
    return (
        f"Where accuracy alone counts, {ranked[0].label} is first with {percent(best.mean)}, "
        f"{decimal(ahead)} points ahead of {ranked[1].label}{single}."
    )


def _beaten(
    name: str,
    accuracies: dict[str, float],
    costs: dict[str, dict[str, float]],
    kinds: list[str],
) -> str:
    """Return a sentence on a network if more accurate ones cost no more in any respect."""
    ahead = [
        other
        for other, cost in costs.items()
        if accuracies[other] > accuracies[name]
        and all(cost[kind] <= costs[name][kind] for kind in kinds)
    ]
    if not ahead:
        return ""
    verb = "is" if len(ahead) == 1 else "are"
    return (
        f"{name} is not worth its cost here: {join_names(ahead)} {verb} more accurate with no more "
        f"{join_names(kinds)}."
    )

"""The worth of each network of a section: its best classes, and its accuracy for its cost."""

from collections.abc import Sequence

from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.groups import RecipeGroup, Section
from jaxcnn.reporting.comparison.pairs import SAME, UNTESTED, against, compare_pairs
from jaxcnn.reporting.comparison.statistics import ALPHA
from jaxcnn.reporting.comparison.tables import mean_text
from jaxcnn.reporting.document import Paragraph, Table
from jaxcnn.text import decimal, integer, join_names, percent

_BEST = 5  # classes of a network
_LARGE = 20  # with so many classes, the best ones of a dataset are listed


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

    Times are compared only if all networks ran on the same machine. A network counts as more
    accurate only if a test tells the two apart, see `pairs`.
    """
    groups = [g for g in section.finished if g.result("test_accuracy") and _costs(g)]
    if len(groups) < 2:
        return []
    costs = {group.label: _costs(group) for group in groups}
    kinds = ["parameters", "operations"]
    devices = {records.device(run) for run in section.finished_runs}
    if len(devices) == 1 and "" not in devices:
        kinds.append("seconds per epoch")
    kinds = [kind for kind in kinds if all(kind in cost for cost in costs.values())]
    lines = [_first(groups)]
    for kind in kinds:
        least = min(costs, key=lambda name: costs[name][kind])
        rest = [cost[kind] for name, cost in costs.items() if name != least]
        times = decimal(min(rest) / costs[least][kind])
        if times == decimal(1):
            continue
        digits = decimal if kind == "seconds per epoch" else integer
        lines.append(
            f"{least} has the fewest {kind}, {digits(costs[least][kind])}; the next has {times} "
            "times as many."
        )
    return [Paragraph(" ".join([*lines, *_beaten(groups, kinds)]))]


def _costs(group: RecipeGroup) -> dict[str, float]:
    """Return the costs of a network by name; those that are unknown or 0 are left out."""
    costs = {
        "parameters": group.result("parameters"),
        "operations": group.result("flops"),
        "seconds per epoch": group.seconds_per_epoch,
    }
    return {name: cost.mean for name, cost in costs.items() if cost and cost.mean > 0}


def _first(groups: Sequence[RecipeGroup]) -> str:
    """Return a sentence on the two most accurate networks, the first ones."""
    best, second = groups[:2]
    first, next_one = (group.result("test_accuracy") for group in (best, second))
    if first is None or next_one is None:
        return ""
    ahead = decimal(100 * (first.mean - next_one.mean))
    single = ", by one run each" if first.n == next_one.n == 1 else ""
    outcome = {SAME: f"; the two {SAME}", UNTESTED: "; the difference is not tested"}
    verdict = outcome.get(against(best, groups)[0].verdict, "")
    return (
        f"Where accuracy alone counts, {best.label} is first with {percent(first.mean)}, "
        f"{ahead} points ahead of {second.label}{single}{verdict}."
    )


def _beaten(groups: Sequence[RecipeGroup], kinds: Sequence[str]) -> list[str]:
    """Return sentences on networks that cheaper ones beat in accuracy.

    A pair of different networks is tested if one of them costs less in a respect and no more in the
    others.
    """
    costs = {group.label: _costs(group) for group in groups}

    def is_cheaper(one: RecipeGroup, other: RecipeGroup) -> bool:
        pairs = [(costs[one.label][kind], costs[other.label][kind]) for kind in kinds]
        is_other = one.run.config["model"] != other.run.config["model"]
        return is_other and all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    pairs = compare_pairs(
        (cheap, costly) for costly in groups for cheap in groups if is_cheaper(cheap, costly)
    )
    lines = []
    for group in groups:
        better = [p.first.label for p in pairs if p.second is group and p.is_better]
        if better:
            verb = "is" if len(better) == 1 else "are"
            lines.append(
                f"{group.label} is not worth its cost here: {join_names(better)} {verb} more "
                f"accurate with no more {join_names(kinds)}."
            )
    if lines and len(pairs) > 1:
        lines.append(f"(p < {ALPHA:.2f} after Holm's correction for {len(pairs)} comparisons.)")
    return lines

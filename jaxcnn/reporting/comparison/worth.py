"""The worth of each network of a section: its best classes, and its accuracy for its cost."""

import itertools
from collections.abc import Sequence

from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.groups import RecipeGroup, Section
from jaxcnn.reporting.comparison.pairs import SAME, UNTESTED, against, compare_pairs
from jaxcnn.reporting.comparison.statistics import ALPHA
from jaxcnn.reporting.comparison.tables import mean_text
from jaxcnn.reporting.document import Paragraph, Table
from jaxcnn.text import decimal, integer, join_names, percent

Costs = dict[str, dict[str, float]]  # by label and kind
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
    """Return the `worth_sentences` as a paragraph; none without any."""
    lines = worth_sentences(section)
    return [Paragraph(" ".join(lines))] if lines else []


def worth_sentences(section: Section) -> list[str]:
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
        lines.append(
            f"{least} has the fewest {kind}, {_amount(kind, costs[least][kind])}; the next has "
            f"{times} times as many."
        )
    return [*lines, *_by_cost(groups, kinds)]


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


def _by_cost(groups: Sequence[RecipeGroup], kinds: Sequence[str]) -> list[str]:
    """Return sentences on the best network within a cost, and on those not worth their cost.

    Each pair of different networks is tested.

    Args:
      groups: the most accurate first.
    """
    costs = {group.label: _costs(group) for group in groups}
    pairs = compare_pairs(
        (first, second)
        for first, second in itertools.combinations(groups, 2)
        if first.run.config["model"] != second.run.config["model"]
    )
    better = {(pair.first.label, pair.second.label) for pair in pairs if pair.is_better}
    same = {(pair.second.label, pair.first.label) for pair in pairs if pair.verdict == SAME}
    same |= {(first, second) for second, first in same}
    tested = {(p.first.label, p.second.label) for p in pairs if p.verdict != UNTESTED}
    tested |= {(first, second) for second, first in tested}

    def is_cheaper(one: str, other: str) -> bool:
        ends = [(costs[one][kind], costs[other][kind]) for kind in kinds]
        return all(a <= b for a, b in ends) and any(a < b for a, b in ends)

    lines = [_best_within(costs, kind, better, tested) for kind in kinds] if len(groups) > 2 else []
    for name in costs:
        cheaper = [other for other in costs if is_cheaper(other, name)]
        beaten_by = [other for other in cheaper if (other, name) in better]
        equal = [other for other in cheaper if (other, name) in same]
        lines.append(_not_worth(name, beaten_by, equal, join_names(kinds)))
    lines = list(filter(None, lines))
    if lines and len(pairs) > 1:
        lines.append(
            f"A network counts as more accurate if p < {ALPHA:.2f} after Holm's correction for "
            f"{len(pairs)} comparisons."
        )
    return lines


def _best_within(
    costs: Costs, kind: str, better: set[tuple[str, str]], tested: set[tuple[str, str]]
) -> str:
    """Return a sentence on the networks that are better than all cheaper ones; "" for one alone.

    Cheaper ones that were not tested against a network do not count.
    """
    front, seen = [], []
    for name in sorted(costs, key=lambda name: costs[name][kind]):
        beaten = [cheaper for cheaper in seen if (name, cheaper) in better]
        num_tested = sum((name, cheaper) in tested for cheaper in seen)
        if not seen or (beaten and len(beaten) == num_tested):
            front.append(name)
        seen.append(name)
    if len(front) < 2:
        return ""
    listed = ", then ".join(f"{name} (from {_amount(kind, costs[name][kind])})" for name in front)
    return f"With more {kind} allowed, the most accurate is {listed}."


def _not_worth(name: str, beaten_by: list[str], equal: list[str], kinds: str) -> str:
    """Return a sentence on a network that gains nothing by its cost; "" for any other."""
    if beaten_by:
        verb = "is" if len(beaten_by) == 1 else "are"
        return (
            f"{name} is not worth its cost here: {join_names(beaten_by)} {verb} more accurate "
            f"with no more {kinds}."
        )
    if equal:
        return f"{name} costs more than {join_names(equal)}, and {SAME} in accuracy."
    return ""


def _amount(kind: str, cost: float) -> str:
    return decimal(cost) if kind == "seconds per epoch" else integer(cost)

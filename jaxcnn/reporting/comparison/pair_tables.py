"""The differences from a reference recipe, as a table and sentences."""

from collections.abc import Sequence
from typing import Any

from jaxcnn.reporting.comparison.groups import Section
from jaxcnn.reporting.comparison.pairs import SAME, UNTESTED, Pair, against
from jaxcnn.reporting.comparison.statistics import ALPHA, Interval
from jaxcnn.reporting.document import Paragraph, Table
from jaxcnn.text import join_names, percent

_MOST_LABELS = 5
_MANY_ROWS = 30  # a longer table is folded
_MEANINGS = {
    "Welch": "Welch's t test compares the means over the seeds; the test images are fixed.",
    "Student": (
        "Student's t test compares a single run with several: it takes the spread of their seeds "
        "for the single run's recipe, too."
    ),
    "McNemar": (
        "McNemar's exact test compares two trained networks by the images that only one of them "
        "classifies correctly (counts in parentheses). It tells nothing about other seeds."
    ),
    "z": (
        "Without the predictions of both runs, a z test takes the test images for two separate "
        "samples, and finds fewer differences. It tells nothing about other seeds."
    ),
}


def pairs_of(section: Section) -> list[Pair]:
    """Return each finished recipe of a section against the first; none without another one."""
    return against(section.finished[0], section.finished) if section.finished else []


def pair_table(pairs: Sequence[Pair], reference: str = "the first") -> list[Table]:
    """Return a table of differences from the second recipe of each pair; none without pairs.

    Args:
      pairs: the recipes against the same reference.
      reference: the name of its role.
    """
    if not pairs:
        return []
    is_corrected = _num_tests(pairs) > 1
    correction = (
        f" after Holm's correction for {_num_tests(pairs)} comparisons; each interval is "
        "uncorrected"
        if is_corrected
        else ""
    )
    caption = (
        f"Test accuracy minus that of {pairs[0].second.label}, {reference}, in percentage points. "
        f"A verdict needs p < {ALPHA:.2f}{correction}."
    )
    head = ["network", "difference", "95 % interval", "verdict", "p"]
    rows = [_row(pair, is_corrected) for pair in pairs]
    head += [*(["p, Holm"] if is_corrected else []), "test"]
    return [Table(caption, head, rows, folded=len(rows) > _MANY_ROWS)]


def _num_tests(pairs: Sequence[Pair]) -> int:
    return sum(pair.difference is not None for pair in pairs)


def _row(pair: Pair, is_corrected: bool) -> list[str]:
    difference = pair.difference
    if difference is None:
        numbers = ["-", "-", UNTESTED, *["-"] * (1 + is_corrected), "-"]
        return [pair.first.label, *numbers]
    corrected = [p_text(pair.p or 0.0)] if is_corrected else []
    low, high = (f"{100 * end:+.2f}" for end in difference.interval)
    return [
        pair.first.label,
        f"{100 * difference.value:+.2f}",
        f"{low} to {high}",
        pair.verdict,
        p_text(difference.p),
        *corrected,
        difference.test,
    ]


def pair_row(pair: Pair) -> dict[str, Any]:
    """Return a pair as a row of `differences.csv`: numbers unrounded, accuracies as fractions."""
    difference = pair.difference
    low, high = difference.interval if difference else (None, None)
    return {
        "label": pair.first.label,
        "n": len(pair.first.accuracies()),
        "reference": pair.second.label,
        "reference_n": len(pair.second.accuracies()),
        "difference": difference and difference.value,
        "difference_low": low,
        "difference_high": high,
        "verdict": pair.verdict,
        "p": difference and difference.p,
        "p_holm": pair.p,
        "test": difference.test if difference else "",
        "note": pair.note,
    }


def p_text(p: float) -> str:
    """Return a p-value with three decimals: `0.012`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval_text(interval: Interval | None) -> str:
    """Return an interval of accuracies: `58.10% to 60.20%`, `-` for None."""
    return "-" if interval is None else " to ".join(map(percent, interval))


def pair_remarks(pairs: Sequence[Pair], reference: str = "the first") -> list[Paragraph]:
    """Return which recipes cannot be told apart from the reference, and what the tests mean."""
    if not pairs:
        return []
    subject = f"{reference.capitalize()}, {pairs[0].second.label},"
    used = [pair.difference.test for pair in pairs if pair.difference]
    meanings = [text for name, text in _MEANINGS.items() if any(t.startswith(name) for t in used)]
    notes = list(dict.fromkeys(pair.note for pair in pairs if pair.note))
    listed = [f"Not paired or not tested: {join_names(notes, most=3)}."] if notes else []
    return [Paragraph(" ".join([verdict_text(pairs, subject), *meanings, *listed]))]


def verdict_text(pairs: Sequence[Pair], subject: str) -> str:
    """Return sentences that tell from which recipes the reference, the subject, can be told."""
    outcomes = {
        "is better than": [p.first.label for p in pairs if p.is_worse],
        "is worse than": [p.first.label for p in pairs if p.is_better],
        SAME + " from": [p.first.label for p in pairs if p.verdict == SAME],
        "is not tested against": [p.first.label for p in pairs if p.verdict == UNTESTED],
    }
    parts = [f"{words} {_listed(labels)}." for words, labels in outcomes.items() if labels]
    return f"{subject} {' It '.join(parts)}"


def _listed(labels: Sequence[str]) -> str:
    """Return labels, in which there are commas, with semicolons between them."""
    more = [f"and {len(labels) - _MOST_LABELS} more"] * (len(labels) > _MOST_LABELS)
    return "; ".join([*labels[:_MOST_LABELS], *more])

"""The tables of a publication's figures and ours, for the page of the publications."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import to_dict
from jaxcnn.config.publications import FIGURES, Figures
from jaxcnn.reporting.comparison.grid import grids_of
from jaxcnn.reporting.comparison.groups import RecipeGroup, compare
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.comparison.sweep_tables import grid_tables
from jaxcnn.reporting.document import markdown_table
from jaxcnn.reporting.kept_runs import RUNS, group_of, result_text
from jaxcnn.reporting.published_text import accuracy_text, best_text, seconds_text
from jaxcnn.reporting.reproduction import judge_runs
from jaxcnn.text import decimal, loss, percent

_BLOCK = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end -->\n", re.DOTALL)
_GRID = re.compile(r"<!-- grid: (\S+) -->\n.*?<!-- end -->\n", re.DOTALL)
_HEAD = (
    "config", "published", "best epoch", "test loss", "training loss, accuracy", "s/epoch", "ours",
    "difference", "verdict", "earlier code",
)  # fmt: skip


def fill_tables(
    page: str,
    configs: Mapping[str, ConfigDict],
    groups: Sequence[RecipeGroup],
    earlier: Mapping[str, float],
) -> str:
    """Return the page with a new table in each block `<!-- figures: KEY -->` to `<!-- end -->`.

    Args:
      page: in Markdown.
      configs: by name, such as "lenet:cifar10".
      groups: the kept runs.
      earlier: test accuracies of runs of older code, by config.
    """

    def block(match: re.Match[str]) -> str:
        names = [name for name, figures in FIGURES.items() if figures.by == match[1]]
        rows = [_row(name, configs[name], groups, earlier.get(name)) for name in names]
        return f"<!-- figures: {match[1]} -->\n{markdown_table(_HEAD, rows)}\n<!-- end -->\n"

    return _BLOCK.sub(block, page)


def fill_grids(page: str) -> str:
    """Return the page with a new table in each block `<!-- grid: GLOB -->` to `<!-- end -->`.

    It has the test accuracies of the kept runs that GLOB names, by the two fields in which they
    differ.
    """

    def block(match: re.Match[str]) -> str:
        sections, _ = compare(read_runs(sorted(RUNS.glob(match[1])))[0])
        table = grid_tables(grids_of(sections[0])[0])[0]
        text = markdown_table(table.head, table.rows)
        return f"<!-- grid: {match[1]} -->\n{text}\n<!-- end -->\n"

    return _GRID.sub(block, page)


def _row(
    name: str, config: ConfigDict, groups: Sequence[RecipeGroup], earlier: float | None
) -> list[str]:
    figures, fields = FIGURES[name], to_dict(config)
    group = group_of(fields, groups)
    return [
        f"`{name}`",
        accuracy_text(figures) or "none",
        best_text(figures),
        _losses(figures),
        _training(figures),
        seconds_text(figures),
        *(_ours(figures, fields, group) if group else ["not run yet", "", ""]),
        percent(earlier) if earlier else "",
    ]


def _losses(figures: Figures) -> str:
    texts = [f"{figures.loss:g}"] if figures.loss else []
    if figures.lowest_loss:
        lowest, epoch = figures.lowest_loss
        texts.append(f"lowest {lowest:g} ({epoch})")
    if figures.loss_by_batch_size:
        texts.append(f"{figures.loss_by_batch_size:g} × batch size")
    return ", ".join(texts)


def _training(figures: Figures) -> str:
    if figures.train is None:
        return ""
    train_loss, accuracy = figures.train
    return f"{loss(train_loss)}, {percent(accuracy)}"


def _ours(figures: Figures, config: Mapping[str, Any], group: RecipeGroup) -> list[str]:
    """Return our accuracy, its difference from the published one in points, and the verdict.

    An unfinished run has neither a difference nor a verdict.
    """
    text, accuracy = result_text(group), group.result("test_accuracy")
    if group.finished:
        text += f" (n = {len(group.finished)})"
    if accuracy is None or figures.accuracy is None:
        return [text, "", ""]
    points = 100 * (accuracy.mean - figures.accuracy)
    sign = "+" if points >= 0 else "−"
    verdict = judge_runs(config, group.finished, [])["published"]
    return [text, f"{sign}{decimal(abs(points))}", verdict.word]

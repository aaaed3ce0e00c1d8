"""The page of results, made from kept runs and from the publications' figures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import to_dict
from jaxcnn.config.publications import FIGURES, PUBLICATIONS, Figures
from jaxcnn.config.recipes import modern_config
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.groups import RecipeGroup
from jaxcnn.reporting.comparison.tables import marks, mean_text
from jaxcnn.reporting.document import markdown_table
from jaxcnn.reporting.kept_runs import groups_of, result_text, six_views_text
from jaxcnn.reporting.protocol import is_test_in_sight, is_tuned_on_test
from jaxcnn.reporting.published_text import accuracy_text, best_text, seconds_text
from jaxcnn.text import clock, decimal, percent

_HEAD = (
    "config", "data", "validation", "ours", "n", "epochs", "best validation", "published",
    "published, best epoch", "s/epoch", "published s/epoch", "machine", "code", "remark",
)  # fmt: skip
_OURS = "Networks and recipes of this project"
_LATER = "Later networks for CIFAR"


def results_page(
    head: str, configs: Mapping[str, ConfigDict], groups: Sequence[RecipeGroup]
) -> str:
    """Return the page in Markdown: a table for each publication, and for the other configs.

    Args:
      head: the text above the tables.
      configs: by name, such as "lenet:cifar10".
      groups: the kept runs.
    """
    tables: dict[str, list[list[str]]] = {}
    matched: list[RecipeGroup] = []
    for name, config in configs.items():
        recipe_groups = groups_of(to_dict(config), groups)
        matched += recipe_groups
        rows = [_row(name, config, group) for group in recipe_groups or [None]]
        tables.setdefault(_title(name, config), []).extend(rows)
    titles = [*(f"[{key}]" for key in PUBLICATIONS), _OURS, _LATER]
    parts = [head]
    parts += [
        _section(title, markdown_table(_HEAD, tables[title])) for title in titles if title in tables
    ]
    if others := [group for group in groups if group not in matched]:
        text = (
            "No config has their recipe: they are members of sweeps, or a field or a "
            "default has changed.\n\n"
        )
        parts.append(_section("Kept runs of other recipes", text + _others(others)))
    return "\n\n".join(parts) + "\n"


def earlier_section(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the section of the runs of older code, which left no records but their figures."""
    head = ("config", "test accuracy", "n", "epochs", "protocol", "training time", "machine")
    cells = [
        [
            f"`{row['config']}`",
            percent(row["accuracy"]) + (f" ± {percent(row['std'])}" if row["std"] else ""),
            str(row["n"]),
            str(row["num_epochs"]),
            row["protocol"],
            clock(row["seconds"]),
            row["device"],
        ]
        for row in rows
    ]
    text = (
        "Runs of code before 0.2.0. Only these figures of them are left (`results/cpu.json`). "
        "CIFAR-10 was a copy that went through JPEG once: close to the original, not equal to it."
    )
    return f"## Earlier runs\n\n{text}\n\n{markdown_table(head, cells)}\n"


def _title(name: str, config: ConfigDict) -> str:
    key = _publication(name)
    if key:
        return f"[{key}]"
    return _LATER if config.num_epochs == modern_config().num_epochs else _OURS


def _publication(name: str) -> str:
    """Return the key of the publication of a config's recipe; "" for none."""
    if name.startswith("usp_cnn"):
        return "usp"  # it gives no whole recipe, so the config declares none
    return FIGURES[name].by if name in FIGURES else ""


def _section(title: str, table: str) -> str:
    about = PUBLICATIONS.get(title.strip("[]"))
    text = f"{about}.\n\n" if about else ""
    return f"## {title}\n\n{text}{table}"


def _row(name: str, config: ConfigDict, group: RecipeGroup | None) -> list[str]:
    figures = FIGURES.get(name)
    published = [_published(config, figures), best_text(figures) if figures else ""]
    seconds, remark = seconds_text(figures) if figures else "", _remark(config, figures)
    if group is None:
        split = records.validation_split(config) + _marks(config)
        cells = [f"`{name}`", config.dataset.name, split, "not run yet", "", ""]
        return [*cells, "", *published, "", seconds, "", "", remark]
    return [
        f"`{name}`",
        group.run.dataset,
        records.validation_split(group.run.config) + _marks(config),
        result_text(group),
        str(len(group.finished) or ""),
        _epochs(group),
        mean_text(group.result("best_validation_accuracy"), percent),
        *published,
        _seconds(group),
        seconds,
        records.machines(group),
        records.code(group),
        "; ".join(filter(None, (remark, six_views_text(group)))),
    ]


def _marks(config: ConfigDict) -> str:
    return marks(is_test_in_sight(config), is_tuned_on_test(config))


def _epochs(group: RecipeGroup) -> str:
    numbers = sorted({run.result["num_epochs"] for run in group.finished if run.result})
    return " to ".join(str(number) for number in dict.fromkeys((*numbers[:1], *numbers[-1:])))


def _seconds(group: RecipeGroup) -> str:
    """Return the mean time of an epoch, or the range if the runs had different devices."""
    seconds = [run.seconds_per_epoch for run in group.shown if run.seconds_per_epoch is not None]
    if seconds and len({records.device(run) for run in group.shown}) > 1:
        return f"{decimal(min(seconds))} to {decimal(max(seconds))}"
    return mean_text(group.seconds_per_epoch, decimal)


def _published(config: ConfigDict, figures: Figures | None) -> str:
    accuracy = config.published.accuracy
    text = accuracy_text(figures) if figures else percent(accuracy) if accuracy else ""
    return text or "none"


def _remark(config: ConfigDict, figures: Figures | None) -> str:
    notes = [figures.note if figures else "", config.published.differs]
    return "; ".join(filter(None, notes))


def _others(groups: Iterable[RecipeGroup]) -> str:
    head = ("runs", "data", "validation", "ours", "n", "epochs", "s/epoch", "machine", "code")
    rows = [
        [
            ", ".join(f"`{run.folder.name}`" for run in group.runs),
            group.run.dataset,
            records.validation_split(group.run.config),
            result_text(group),
            str(len(group.finished) or ""),
            _epochs(group),
            _seconds(group),
            records.machines(group),
            records.code(group),
        ]
        for group in groups
    ]
    return markdown_table(head, rows)

"""The page of the five classic networks: the publication's figures beside the kept runs."""

from collections.abc import Callable, Mapping, Sequence

from jaxcnn.data.superclasses import SELECTED
from jaxcnn.reporting.classic import ClassicNetwork, Comparison
from jaxcnn.reporting.classic_figures import has_class_map
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.groups import RecipeGroup
from jaxcnn.reporting.comparison.tables import class_table, mean_text
from jaxcnn.reporting.comparison.worth import best_classes_tables, worth_sentences
from jaxcnn.reporting.document import Block, Heading, Paragraph, Picture, Table
from jaxcnn.reporting.kept_runs import result_text
from jaxcnn.reporting.published_text import seconds_text
from jaxcnn.text import decimal, integer, join_names, loss, percent

NOT_RUN = "not run"
_FOLDER = "images"


def classic_page(head: str, comparisons: Sequence[Comparison]) -> str:
    """Return the page in Markdown: `head`, the networks' worth, and a section for each dataset."""
    picture = Picture(f"{_FOLDER}/classic_accuracy", "Test accuracy, published and here")
    texts = [head, Heading("Which network is worth what").markdown(), picture.markdown()]
    texts += [text for comparison in comparisons for text in _worth(comparison)]
    for comparison in comparisons:
        texts += [block.markdown() for block in _results(comparison)]
        texts += _classes(comparison)
    return "\n\n".join(texts) + "\n"


def _worth(comparison: Comparison) -> list[str]:
    """Return what the networks are worth, by the published figures and by the finished runs."""
    finished, title = comparison.finished, comparison.title
    names = join_names([group.label for group in finished.groups]) or "none"
    alone = [f"It takes two finished networks to compare; finished here: {names}."]
    return [
        f"On {title}, by the published figures:",
        _bullets(worth_sentences(comparison.published)),
        f"On {title}, by the finished runs here:",
        _bullets(worth_sentences(finished) or alone),
    ]


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {Paragraph(sentence).markdown()}" for sentence in sentences)


def _results(comparison: Comparison) -> list[Block]:
    name, title = comparison.dataset, comparison.title
    blocks: list[Block] = [
        Heading(title),
        _accuracy_table(comparison),
        _cost_table(comparison),
    ]
    if comparison.ours.groups:
        text = f"Test accuracy by epoch on {title}; crosses: published, last epoch"
        blocks.append(Picture(f"{_FOLDER}/classic_{name}_epochs", text))
    return blocks


def _accuracy_table(comparison: Comparison) -> Table:
    ours = comparison.ours
    epoch = min((group.farthest.epochs_done for group in ours.groups), default=0)
    columns: dict[str, Callable[[ClassicNetwork], str]] = {
        "network": lambda entry: entry.title,
        "published": lambda entry: percent(entry.figures.accuracy),
        "ours": lambda entry: result_text(entry.runs) if entry.runs else NOT_RUN,
        "n": lambda entry: str(len(entry.runs.finished) or "-") if entry.runs else "-",
        "difference, points": _difference,
        "test loss, published": lambda entry: loss(entry.figures.loss),
        "test loss, ours": lambda entry: _result(entry, "test_loss", loss),
        "training accuracy, published": _published_training,
        "training accuracy, ours": lambda entry: _last(entry.runs, "train"),
    }
    if epoch and len(ours.groups) > 1:  # the networks at the same age
        columns[f"ours after {epoch} epochs"] = lambda entry: _at(entry.runs, epoch)
    caption = "Test accuracy after the last epoch. The test split served as validation split."
    return Table(caption, list(columns), _rows(columns, comparison))


def _cost_table(comparison: Comparison) -> Table:
    columns: dict[str, Callable[[ClassicNetwork], str]] = {
        "network": lambda entry: entry.title,
        "parameters": lambda entry: integer(entry.summary.parameters),
        "million operations": lambda entry: decimal(entry.summary.flops / 1e6),
        "seconds per epoch, published": lambda entry: seconds_text(entry.figures) or "-",
        "seconds per epoch, ours": lambda entry: (
            mean_text(entry.runs.seconds_per_epoch, decimal) if entry.runs else NOT_RUN
        ),
        "our machine": lambda entry: (records.machines(entry.runs) if entry.runs else "") or "-",
    }
    caption = "Cost. Operations are of one image, forward. The publication names no hardware."
    return Table(caption, list(columns), _rows(columns, comparison))


def _rows(
    columns: dict[str, Callable[[ClassicNetwork], str]], comparison: Comparison
) -> list[list[str]]:
    return [[cell(entry) for cell in columns.values()] for entry in comparison.entries]


def _difference(entry: ClassicNetwork) -> str:
    accuracy = entry.runs.result("test_accuracy") if entry.runs else None
    if accuracy is None or entry.figures.accuracy is None:
        return "-"
    return f"{100 * (accuracy.mean - entry.figures.accuracy):+.1f}".replace("-", "−")


def _result(entry: ClassicNetwork, name: str, to_text: Callable[[float], str]) -> str:
    return mean_text(entry.runs.result(name), to_text) if entry.runs else "-"


def _published_training(entry: ClassicNetwork) -> str:
    return percent(entry.figures.train[1] if entry.figures.train else None)


def _last(group: RecipeGroup | None, split: str) -> str:
    """Return the last accuracy of a curve."""
    curve = group.curve(split, "accuracy") if group else {}
    return mean_text(curve[max(curve)], percent) if curve else "-"


def _at(group: RecipeGroup | None, epoch: int) -> str:
    curve = group.curve("validation", "accuracy") if group else {}
    return mean_text(curve.get(epoch), percent)


def _classes(comparison: Comparison) -> list[str]:
    """Return the tables by class, and with superclasses those of fewer classes before them."""
    section, title = comparison.ours, comparison.title
    if not section.evaluated_groups:
        return ["No run here has accuracies by class."]
    picture = Picture(
        f"{_FOLDER}/classic_{comparison.dataset}_classes", f"Test accuracy by class on {title} (%)"
    )
    pictures = [picture.markdown()] if has_class_map(comparison) else []
    names, superclasses = section.class_names(), section.class_names("superclasses")
    best_first = "the best mean first."
    everything = class_table(section, f"Test accuracy by class, {best_first}", names)
    if not superclasses:
        return [*pictures, *map(_folding, everything)]
    caption = f"Test accuracy of the ten classes that the publication selects, {best_first}"
    tables = [
        best_classes_tables(section)[0],
        _printed_table(comparison),
        *class_table(section, caption, [name for name in names if name in SELECTED]),
        *class_table(
            section, f"Test accuracy by superclass, {best_first}", superclasses, "superclasses"
        ),
        *everything,
    ]
    return [*pictures, *map(_folding, tables)]


def _folding(table: Table) -> str:
    """Return a table in Markdown; a long one is shown when its caption is clicked."""
    text = table.markdown()
    if not table.folded:
        return text
    caption, _, rows = text.partition("\n\n")
    return f"<details><summary>{caption}</summary>\n\n{rows}\n\n</details>"


def _printed_table(comparison: Comparison) -> Table:
    """Return the classes whose accuracy the publication prints, beside ours."""
    entries = [entry for entry in comparison.entries if entry.figures.classes]
    labels = {group.run.network: group for group in comparison.ours.evaluated_groups}
    head, names = ["class"], list(dict.fromkeys(n for e in entries for n in e.figures.classes))
    for entry in entries:
        group = labels.get(entry.network)
        head += [f"{entry.title}, published", group.label if group else f"{entry.title}, ours"]
    rows = [
        [name, *(cell for entry in entries for cell in _printed(entry, name, labels))]
        for name in names
    ]
    return Table("The classes that the publication calls the best.", head, rows)


def _printed(
    entry: ClassicNetwork, name: str, groups: Mapping[str, RecipeGroup]
) -> tuple[str, str]:
    group = groups.get(entry.network)
    ours = mean_text(group.class_metric(name), percent) if group else NOT_RUN
    return percent(entry.figures.classes.get(name)), ours

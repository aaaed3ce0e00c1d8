"""The report of a run: one Markdown page in its workdir, from the files the run wrote there."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.config import flatten
from jaxcnn.reporting import evaluation_report, protocol
from jaxcnn.reporting.balance import balanced_accuracy, is_unequal, unrecognized
from jaxcnn.reporting.curves import series
from jaxcnn.reporting.words import clock, decimal, integer, loss, percent, rate
from jaxcnn.reporting.writers import Row, read_json, read_metrics, write_text

_LAST_EPOCHS = 10  # rows of the table at the end
_PICTURES = {
    "accuracy": "Accuracy by epoch",
    "loss": "Loss by epoch",
    "difference_accuracy": "Accuracy by epoch, training minus validation",
    "difference_loss": "Loss by epoch, training minus validation",
    "learning_rate": "Learning rate by epoch",
}


def write_report(workdir: str | Path) -> Path:
    """Writes `report.md` from config.json, environment.json, metrics.jsonl and result.json.

    Raises:
      UserError: one of the four is missing or damaged, or the report cannot be written.
    """
    workdir = Path(workdir)
    names = ("config", "environment", "result")
    config, environment, result = (read_json(workdir / f"{name}.json") for name in names)
    rows = read_metrics(workdir)
    classes = evaluation_report.tested_classes(workdir, result)
    sections = [
        f"# {config['model']['name']} on {config['dataset']['name']}",
        _result(config, environment, result, classes),
        unrecognized(classes),
        _curves(workdir),
        *evaluation_report.sections(workdir, result),
        _last_epochs(rows, result),
        _recipe(config),
        _commands(environment, workdir),
        _versions(environment),
    ]
    path = workdir / "report.md"
    write_text(path, "\n\n".join(filter(None, sections)) + "\n")
    return path


def _result(
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    result: Mapping[str, Any],
    classes: Sequence[Mapping[str, Any]],
) -> str:
    tested = result.get("tested_with")
    weights = f", weights of the {tested} epoch" if tested else ""
    stopped = f"after {result['num_epochs']} of {config['num_epochs']} epochs"
    lines = {
        f"test accuracy{weights}": percent(result["test_accuracy"]),
        "balanced test accuracy (mean recall of the classes)": percent(
            balanced_accuracy(classes) if is_unequal(classes) else None
        ),
        "test loss": loss(result["test_loss"]),
        "best epoch on validation": f"{result['best_epoch']} of {result['num_epochs']}",
        "stopped early": stopped if protocol.is_stopped_early(config, result) else "-",
        "validation accuracy, best": percent(result.get("best_validation_accuracy")),
        "validation accuracy, last": percent(result.get("last_validation_accuracy")),
        "parameters": integer(result["parameters"]),
        "time": clock(result["seconds"]),
        "training speed": f"{integer(result['images_per_second'])} images/s",
        "seed": str(result["seed"]),
    }
    table = _table(["result", ""], [row for row in lines.items() if row[1] != "-"])
    return f"{table}\n\n{protocol.describe(config, environment, result)}"


def _curves(workdir: Path) -> str:
    there = [name for name in _PICTURES if (workdir / "plots" / f"{name}.png").exists()]
    pictures = [f"![{_PICTURES[name]}](plots/{name}.png)" for name in there]
    return "\n\n".join(["## Curves", *pictures]) if there else ""


def _last_epochs(rows: Sequence[Row], result: Mapping[str, Any]) -> str:
    """The table of the last epochs, and the best one where it is not among them."""
    columns = {
        "training loss": ("train", "loss", loss),
        "training accuracy": ("train", "accuracy", percent),
        "validation loss": ("validation", "loss", loss),
        "validation accuracy": ("validation", "accuracy", percent),
        "learning rate": ("train", "learning_rate", rate),
        "seconds": ("train", "seconds", decimal),
    }
    by_name = {name: series(rows, split, key) for name, (split, key, _) in columns.items()}
    epochs = sorted({row["epoch"] for row in rows if row["split"] == "train"})
    best = result["best_epoch"]
    shown = sorted({*epochs[-_LAST_EPOCHS:], *({best} & set(epochs))})
    table = [
        [f"**{e}** (best)" if e == best else str(e)]
        + [word(by_name[name].get(e)) for name, (_, _, word) in columns.items()]
        for e in shown
    ]
    return "## Last epochs\n\n" + _table(["epoch", *columns], table)


def _recipe(config: Mapping[str, Any]) -> str:
    """The config as a table of dotted names: the whole of it, as the run resolved it."""
    leaves = flatten(dict(config)).items()
    rows = [(f"`{name}`", "`{}`".format('""' if value == "" else value)) for name, value in leaves]
    return "## Recipe\n\n" + _table(["field", "value"], rows)


def _commands(environment: Mapping[str, Any], workdir: Path) -> str:
    """The command as it was typed; a module that was run is named as one."""
    script, *arguments = environment["command"]
    is_module = Path(script).parent.name == "jaxcnn"
    program = ["-m", f"jaxcnn.{Path(script).stem}"] if is_module else [script]
    command = shlex.join(["python", *program, *arguments])
    text = (
        f"## Again\n\n```\n{command}\n```\n\n"
        "The same command resumes the run in its folder if it was interrupted; with another "
        "`--workdir` it "
    )
    changes = environment.get("changes") or []
    if not changes:
        return text + "reproduces the run from the beginning."
    lines = [f"- after step {each['step']}: {'; '.join(each['fields'])}" for each in changes]
    return "\n".join(
        [
            text + "is another run: this one did not have its settings from the beginning.\n",
            *lines,
        ]
    )


def _versions(environment: Mapping[str, Any]) -> str:
    devices = environment["devices"]
    counted = (f"{devices.count(device)} × {device}" for device in dict.fromkeys(devices))
    rows = [
        ("python", environment["python"]),
        *environment["versions"].items(),
        ("machine", environment["machine"]),
        ("devices", ", ".join(counted)),
    ]
    return "## Environment\n\n" + _table(["", "version"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)

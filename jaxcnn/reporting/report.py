"""The report of a run: a Markdown page in its folder, made from the other files there."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.config.defaults import flatten
from jaxcnn.config.published import displayed
from jaxcnn.evaluation.balance import balanced_accuracy, shows_balanced_accuracy
from jaxcnn.files.writing import write_text
from jaxcnn.reporting import evaluation_report, phase_report, protocol
from jaxcnn.reporting.document import plain_table
from jaxcnn.reporting.provenance import unrecognized
from jaxcnn.reporting.series import series
from jaxcnn.text import clock, count_names, decimal, integer, loss, percent, printable_lines, rate
from jaxcnn.workdir.endings import describe_end, is_evaluation_of
from jaxcnn.workdir.metrics_log import read_checked_metrics
from jaxcnn.workdir.run_files import CALIBRATION, TEST_EVALUATION, read_part, read_part_if_there
from jaxcnn.workdir.schemas import Row

_NEEDED = {
    "config.json": ("model", "dataset", "validation"),
    "environment.json": ("python", "versions", "machine", "devices", "command"),
    "result.json": (
        "test_accuracy", "test_loss", "best_epoch", "num_epochs", "parameters", "seconds", "seed",
    ),
}  # fmt: skip
_FURTHER = ("balanced_accuracy", "mean_f1", "auroc")  # metrics of the epochs, if asked for
_PACKAGE = Path(__file__).parents[1]
_LAST_EPOCHS = 10  # rows of the table of epochs
_PICTURES = phase_report.PICTURES | {"learning_rate": "Learning rate by epoch"}


def write_report(workdir: str | Path) -> Path:
    """Write `report.md` from config.json, environment.json, metrics.jsonl and result.json.

    Returns:
      The path of the report.

    Raises:
      UserError: one of the four is missing or damaged, or the report cannot be written.
    """
    workdir = Path(workdir)
    config, environment, result = (
        read_part(workdir, name, fields) for name, fields in _NEEDED.items()
    )
    rows = read_checked_metrics(workdir, result)
    classes = evaluation_report.tested_classes(workdir, result)
    sections = [
        f"# {config['model']['name']} on {_data(config)}",
        _result(config, environment, result, classes),
        unrecognized(classes),
        _curves(workdir),
        phase_report.section(workdir, rows, result),
        *evaluation_report.sections(workdir, result),
        _last_epochs(rows, result),
        _recipe(config),
        _commands(environment, workdir),
        _versions(environment),
    ]
    path = workdir / "report.md"
    write_text(path, printable_lines("\n\n".join(filter(None, sections)) + "\n"))
    return path


def _data(config: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (config["dataset"]["name"], protocol.chosen_classes(config))))


def missing_files(workdir: Path) -> list[str]:
    """Return the files that the report of a finished run lacks, as paths in its folder.

    They are the report itself, the test evaluation of the result's weights, the temperature if the
    config asks for one, and the pictures that the report shows.
    """
    needed, report = {"report.md", TEST_EVALUATION}, workdir / "report.md"
    config = read_part_if_there(workdir, "config.json") or {}
    needed |= {CALIBRATION} if config.get("calibration", "none") != "none" else set()
    if report.exists():
        shown = re.findall(r"\]\((plots/[^)]+)\)", report.read_text(encoding="utf-8"))
        needed |= {name for name in shown if is_of_evaluation(name) or _is_curve(Path(name).stem)}
    missing = {name for name in needed if not (workdir / name).exists()}
    evaluation = read_part_if_there(workdir, TEST_EVALUATION) or {}
    if not is_evaluation_of(evaluation, read_part_if_there(workdir, "result.json") or {}):
        missing.add(TEST_EVALUATION)
    return sorted(missing)


def _is_curve(name: str) -> bool:
    return name in _PICTURES or phase_report.is_of_phase(name)


def is_of_evaluation(name: str) -> bool:
    """Return whether a file of a run's folder comes from the evaluation of the test split."""
    return name.startswith(("evaluation/test", "plots/test_", CALIBRATION))


def _result(
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    result: Mapping[str, Any],
    classes: Sequence[Mapping[str, Any]],
) -> str:
    tested_with = result.get("tested_with")
    weights = f", weights of the {tested_with} epoch" if tested_with else ""
    speed = result.get("images_per_second")  # None if each call of the run compiled a program
    lines = {
        f"test accuracy{weights}": percent(result["test_accuracy"]),
        "balanced test accuracy (mean recall of the classes)": percent(
            balanced_accuracy(classes) if shows_balanced_accuracy(classes) else None
        ),
        "test loss": loss(result["test_loss"]),
        "ended": describe_end(result, config) if "ended" in result else "-",
        # a result by older code has no field for the reason
        "stopped early": f"after {result['num_epochs']} of {config['num_epochs']} epochs"
        if "ended" not in result and protocol.is_stopped_early(config, result)
        else "-",
        "best epoch on validation": f"{result['best_epoch'] or '-'} of {result['num_epochs']}",
        "validation accuracy, best": percent(result.get("best_validation_accuracy")),
        "validation accuracy, last": percent(result.get("last_validation_accuracy")),
        "parameters": integer(result["parameters"]),
        "time": clock(result["seconds"]),
        "training speed": f"{integer(speed)} images/s" if speed else "-",
        "seed": str(result["seed"]),
    }
    figures = plain_table(["result", ""], [row for row in lines.items() if row[1] != "-"])
    return f"{figures}\n\n{protocol.describe(config, environment, result)}"


def _curves(workdir: Path) -> str:
    names = [name for name in _PICTURES if (workdir / "plots" / f"{name}.png").exists()]
    pictures = [f"![{_PICTURES[name]}](plots/{name}.png)" for name in names]
    return "\n\n".join(["## Curves", *pictures]) if names else ""


def _last_epochs(rows: Sequence[Row], result: Mapping[str, Any]) -> str:
    """Return the table of the last epochs; the best epoch is added if it came before."""
    columns = {
        "training loss": ("train", "loss", loss),
        "training accuracy": ("train", "accuracy", percent),
        "validation loss": ("validation", "loss", loss),
        "validation accuracy": ("validation", "accuracy", percent),
        "learning rate": ("train", "learning_rate", rate),
        "seconds": ("train", "seconds", decimal),
    }
    measured = {key for row in rows for key in row}
    columns |= {
        f"validation {key.replace('_', ' ')}": ("validation", key, percent)
        for key in _FURTHER
        if key in measured
    }
    by_name = {name: series(rows, split, key) for name, (split, key, _) in columns.items()}
    epochs = sorted({row["epoch"] for row in rows if row["split"] == "train"})
    best, finished = result["best_epoch"], result["num_epochs"]
    shown = sorted({*epochs[-_LAST_EPOCHS:], *({best} & set(epochs))})
    lines = [
        [f"**{e}** (best)" if e == best else f"{e} (part)" if e > finished else str(e)]
        + [to_text(by_name[name].get(e)) for name, (_, _, to_text) in columns.items()]
        for e in shown
    ]
    return "## Last epochs\n\n" + plain_table(["epoch", *columns], lines)


def _recipe(config: Mapping[str, Any]) -> str:
    """Return the whole resolved config as a table of dotted names."""
    leaves = flatten(displayed(config)).items()
    rows = [(f"`{name}`", "`{}`".format('""' if value == "" else value)) for name, value in leaves]
    return "## Recipe\n\n" + plain_table(["field", "value"], rows)


def _commands(environment: Mapping[str, Any], workdir: Path) -> str:
    """Return the run's command, or its call from Python, and what it does when it is repeated."""
    script, *arguments = environment["command"]
    path = Path(script)
    # a clone's folder has the package's name too, and may hold the user's scripts
    is_module = path.parent.name == "jaxcnn" and (_PACKAGE / path.name).is_file()
    if is_module or path.name == "jaxcnn":  # the console command
        program = ["-m", f"jaxcnn.{path.stem}"] if is_module else [script]
        kind, line = "command", shlex.join(["python", *program, *arguments])
        folder = "`--out`" if path.stem == "reproduce" else "`--workdir`"
    else:
        kind, line, folder = "call", _call(workdir), "second argument"
    text = (
        f"## {kind.capitalize()}\n\n```\n{line}\n```\n\n"
        f"The same {kind} resumes the run if it was interrupted. With another {folder} it "
    )
    changes = environment.get("changes") or []
    if not changes:
        return text + f"reproduces the run from the beginning{_exactness(environment)}."
    lines = [f"- after step {c['step']}: {'; '.join(c.get('fields', []))}" for c in changes]
    text += "makes a different run, because the settings of this one were changed on the way:\n"
    return "\n".join([text, *lines])


def _call(workdir: Path) -> str:
    """Return the call that resumes a run from Python; RUN is its folder, which may be moved."""
    about = read_part_if_there(workdir, "dataset.json") or {}
    dataset = ", dataset=dataset" if about.get("from_python") else ""
    return f'jaxcnn.train("RUN/config.json", "RUN"{dataset})  # RUN is this folder'


def _exactness(environment: Mapping[str, Any]) -> str:
    """Return how exactly the run can be reproduced; "" if that was not recorded."""
    exact = environment.get("exact")
    if exact is None:
        return ""
    if exact:
        return ", to the last bit on the same kind of machine"
    return ", up to rounding; on a GPU to the last bit with `--config.deterministic=True`"


def _versions(environment: Mapping[str, Any]) -> str:
    facts = _facts(environment)
    parts = ["## Environment", plain_table(["", "version"], list(facts.items()))]
    lines = []
    for start in environment.get("starts", ()):
        others = sorted(_facts(start).items() - facts.items())
        text = ", ".join(f"{name} {fact}" for name, fact in others)
        lines.append(f"- until step {start['until_step']}: {text or 'as in the table'}")
    if lines:
        parts += ["Parts of the training had another environment:", "\n".join(lines)]
    return "\n\n".join(parts)


def _facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the code, versions, machine and devices of a run or of a part of it, by name."""
    code = environment.get("code", {})
    commit = code.get("commit", "-") + ", modified" * bool(code.get("modified"))
    return {
        "commit": commit,
        "python": environment.get("python", "-"),
        **environment.get("versions", {}),
        "machine": environment.get("machine", "-"),
        "devices": count_names(environment.get("devices", [])),
    }

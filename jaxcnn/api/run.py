"""Training a config: check, prepare, train, test and report, all in one folder."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.arguments import (
    Source,
    adopt_from_run,
    check_hooks,
    check_workdir,
    checked_config,
)
from jaxcnn.api.introduction import introduce, show_start
from jaxcnn.api.result import Result
from jaxcnn.config.defaults import flatten, to_dict
from jaxcnn.config.unused import notes_on_unused
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.data.preparing.reporter import preparing
from jaxcnn.data.views import data_identity, views_of
from jaxcnn.evaluation.metrics import try_metrics
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.files.writing import write_json
from jaxcnn.process import group
from jaxcnn.reporting.evaluate_run import evaluate_run
from jaxcnn.reporting.evaluation_report import tested_classes
from jaxcnn.reporting.figures.curves import plot_curves
from jaxcnn.reporting.report import is_of_evaluation, missing_files, write_report
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.data_notes import refuse_unseen_classes
from jaxcnn.training.group_check import check_group
from jaxcnn.training.loop import Loop
from jaxcnn.training.memory import choose_batch_size, naming_what_fits
from jaxcnn.training.phases import check_phases
from jaxcnn.training.profiling import Profiler
from jaxcnn.training.run import Run, describe_data, make_run
from jaxcnn.training.stopping import Hook
from jaxcnn.training.transfer import load_start, start_from
from jaxcnn.workdir.beginning import is_new
from jaxcnn.workdir.changes import Change
from jaxcnn.workdir.endings import reached_limits, read_ended, summarize_end
from jaxcnn.workdir.folder import (
    check_run,
    check_run_files,
    lock_folder,
    open_workdir,
    write_config,
)
from jaxcnn.workdir.run_data import (
    PICTURES,
    notes_on_data,
    refuse_other_data,
    refuse_other_origin,
    write_pictures_of,
)
from jaxcnn.workdir.run_files import (
    CALIBRATION,
    DIVERGED,
    data_digest,
    missing_parts,
    read_part,
)
from jaxcnn.workdir.run_parts import notes_on_parts

# A finished run that lacks one of these files is tested and recorded again.
_RECORDS = ("config.json", "dataset.json", "environment.json", "metrics.jsonl", "metrics.csv")
_FILES_OF_THE_END = (
    "result.json", DIVERGED, "report.md", "evaluation/test.json", "evaluation/predictions.csv"
)  # fmt: skip
# Fields of the result that stay when an ended run is only tested again.
_TRAINING_FIELDS = ("seconds", "images_per_second", "resumed")
_NOT_PROFILED = "--profile: the run ended before a step could be traced"


def train(
    config: ConfigDict | str | Path,
    workdir: str | Path,
    dataset: Dataset | None = None,
    hooks: Iterable[Hook] = (),
    *,
    quiet: bool = False,
    console: Console | None = None,
    data_at: Path | None = None,
    profile_steps: int = 0,
) -> Result:
    """Train a config in a folder, or resume the run that is there; test it and write its report.

    The same call resumes a run that was interrupted, and returns the result of one that has ended.
    It works in a notebook, in any thread, and several times in a process. In the main thread
    Ctrl-C stops the run after its step and saves it.

    In a group of processes all of them train and save. Process 0 alone calls the hooks and writes
    the other files.

    Args:
      config: the whole config, which is not changed; or an argument of `load_config`, such as a
        recipe's name.
      workdir: the run's folder; it is created if it does not exist.
      dataset: the data, in place of the dataset that the config names. The images are used in their
        own size. The run keeps a fingerprint, and `dataset.json` says that the data came from
        Python.
      hooks: callables that get the epoch's row of `Result.history`, a dict, after each epoch. A
        hook that raises `StopTraining` ends the run, which is saved, tested and reported; it
        continues only with a larger `num_epochs`. Any other exception leaves `train`; the next
        call resumes after this epoch.
      quiet: print warnings alone.
      console: shows the training; standard output by default.
      data_at: the folder of the data, if it is not the one in the config.
      profile_steps: the number of steps to trace, see `Profiler`; 0 for none.

    Raises:
      UserError: the config, the dataset or the folder is wrong; no run there is changed.
      Diverged: the loss is not finite.
      Stopped: a signal stopped the run, which is saved.
    """
    hooks, workdir = check_hooks(hooks), check_workdir(workdir)
    config = checked_config(config, dataset, workdir)
    source, console = Source(dataset, data_at), console or Console(quiet=quiet)
    with preparing(quiet=quiet):
        folder = workdir.absolute()  # the program may change its working directory later
        values = _train(config, workdir, source, hooks, console, profile_steps)
        return Result(folder, values, to_dict(config))


def _train(
    config: ConfigDict,
    workdir: Path,
    source: Source,
    hooks: Sequence[Hook],
    console: Console,
    profile_steps: int,
) -> dict[str, Any]:
    """Return the content of `result.json`, see `train`."""
    check_for_checkpoints(workdir)
    check_run_files(workdir)
    adopt_from_run(config, workdir)
    if source.dataset is None:
        refuse_other_origin(config, workdir)
    ended = read_ended(workdir)
    if ended and is_complete(workdir, config, ended):
        if source.dataset is not None:  # a notebook's cell may run again with other arrays
            given = source.load(config, workdir)
            refuse_other_data(workdir, data_identity(given, views_of(config, given)))
        if profile_steps:
            console.warn(_NOT_PROFILED)
        return complete_report(workdir, config, ended, console, source)
    is_first = is_new(workdir, ended)
    run, transfer_lines = _prepare(config, workdir, source, is_new=is_first)
    description = describe_data(run)
    with open_workdir(workdir, config) as (changes, check_folder):
        unused = notes_on_unused(flatten(config))
        for line in (*missing_parts(workdir), *notes_on_parts(workdir), *unused):
            console.warn(line)
        data_warnings = check_data(run, workdir, description, source.data_at, is_new=is_first)
        introduce(run, workdir, console)
        profiler = Profiler(profile_steps, run.plan, workdir / "profile", console.print)
        loop = Loop.open(profiler.attach(run), workdir, console, check_folder, hooks)
        start = loop.position
        record_start(loop, workdir, description, changes)
        show_start(loop, ended, changes, console)
        _show_notes(data_warnings, transfer_lines, console)
        with naming_what_fits(config, run.dataset):
            result = loop.train()
        if not profiler.is_done:
            console.warn(_NOT_PROFILED)
        check_folder()
        if ended and loop.position == start:  # only tested again
            result |= {name: ended[name] for name in _TRAINING_FIELDS if name in ended}
        classes = _report(workdir, result, run.dataset) if group.is_main() else []
    group.wait_for_all("the report is written")  # a script may read it, or train in this folder
    console.result(result, workdir, classes)
    return result


def _prepare(
    config: ConfigDict, workdir: Path, source: Source, *, is_new: bool
) -> tuple[Run, list[str]]:
    """Return the run before its first step, and lines about its batch size and first weights."""
    if is_new:
        refuse_among_pictures(workdir, config.dataset.name, "name another --workdir")
    weights = load_start(config) if config.init_from and is_new else None
    dataset = source.load(config, workdir)
    lines = choose_batch_size(config, dataset)
    check_group(config, dataset, workdir, weights)
    try_metrics(config.metrics, dataset.class_names)
    check_phases(config, dataset, is_new=is_new)
    run = make_run(config, dataset)
    if not weights:
        return run, lines
    state, more_lines = start_from(weights, run.state)
    return dataclasses.replace(run, state=state), [*lines, *more_lines]


def check_data(
    run: Run, workdir: Path, description: dict[str, Any], data_at: Path | None, *, is_new: bool
) -> list[str]:
    """Check that the data are the run's; return warnings about them.

    Raises:
      UserError: the run was trained on other data, or the training split of a new run lacks a
        class.
    """
    refuse_other_data(workdir, description)
    if is_new:
        refuse_unseen_classes(run.dataset, run.plan.views)
    return notes_on_data(workdir, data_at)


def record_start(
    loop: Loop, workdir: Path, description: dict[str, Any], changes: Sequence[Change]
) -> None:
    """Write the files that describe a run, and delete those of an earlier end."""
    loop.progress.data_digest = data_digest(description)
    if not group.is_main():
        return
    if not (workdir / PICTURES).exists():
        write_pictures_of(workdir, loop.run.dataset, loop.plan.views)
    run_devices = list(loop.plan.mesh.devices.flat)
    step, phases = loop.position.step, loop.progress.phases
    # a temperature names the weights that it belongs to, which may be tested again
    is_outdated = not step or any(change.name == "calibration" for change in changes)
    write_config(
        workdir, loop.config, description, run_devices, changes, step, phases,
        trains=not loop.ended,
    )  # fmt: skip
    for name in (*_FILES_OF_THE_END, *([CALIBRATION] if is_outdated else [])):
        (workdir / name).unlink(missing_ok=True)


def _show_notes(warnings: Sequence[str], notes: Sequence[str], console: Console) -> None:
    for line in warnings:
        console.warn(line)
    for line in notes:
        console.print(line)


def is_complete(workdir: Path, config: ConfigDict, ended: dict[str, Any]) -> bool:
    """Return whether an ended run has nothing left to train, test or record."""
    if not reached_limits(ended, config) or not all((workdir / name).exists() for name in _RECORDS):
        return False
    saved = read_part(workdir, "config.json")
    has_metrics = saved.get("metrics", []) == list(config.metrics)
    is_calibrated = saved.get("calibration", "none") == config.calibration
    return has_metrics and is_calibrated and saved.get("test_with") == config.test_with


def complete_report(
    workdir: Path,
    config: ConfigDict,
    ended: dict[str, Any],
    console: Console,
    source: Source,
) -> dict[str, Any]:
    """Show that a run has ended, and write the files that its report lacks; return its result.

    Nothing is written where none is missing, so the folder may be one that can only be read.
    """
    check_run(workdir, config)
    console.print(summarize_end(workdir, ended, config), "bold")
    for line in notes_on_parts(workdir):
        console.warn(line)
    if group.is_main() and (missing := missing_files(workdir)):
        lock = lock_folder(workdir, lambda: None)
        try:
            console.print(f"missing files, written again: {', '.join(missing)}")
            plot_curves(workdir)
            if any(is_of_evaluation(name) for name in missing):
                evaluate_run(workdir, data_at=source.data_at, dataset=source.dataset)
            write_report(workdir)
        finally:
            lock.release()
    console.print(f"everything is in {workdir}")
    return ended


def _report(workdir: Path, result: dict[str, Any], dataset: Dataset) -> list[dict[str, Any]]:
    """Write the result, the figures and the report; return the test figures of each class."""
    write_json(workdir / "result.json", result)
    plot_curves(workdir)
    evaluate_run(workdir, dataset=dataset)
    write_report(workdir)
    return tested_classes(workdir, result)

"""The main job: check, prepare, train, and leave a folder that tells the whole story."""

import dataclasses
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.data.scaling import faint_channels
from jaxcnn.errors import UserError
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.files.writing import write_json
from jaxcnn.process import devices, group
from jaxcnn.reporting.evaluate_run import evaluate_run as score_run
from jaxcnn.reporting.evaluation_report import tested_classes
from jaxcnn.reporting.figures.curves import plot_curves
from jaxcnn.reporting.report import is_of_evaluation, missing_files, write_report
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.reporting.terminal.tables import render_summary
from jaxcnn.training.data_notes import data_notes, refuse_unseen_classes
from jaxcnn.training.group_check import check_group
from jaxcnn.training.loop import make_loop
from jaxcnn.training.messages import last_weights_tested
from jaxcnn.training.run import Run, describe_data, make_run
from jaxcnn.training.transfer import load_start, start_from
from jaxcnn.workdir.endings import reached_limits, read_ended, summarize_end
from jaxcnn.workdir.folder import check_run_files, open_workdir, write_config
from jaxcnn.workdir.run_config import check_config
from jaxcnn.workdir.run_data import (
    PICTURES,
    adopt_older_rules,
    load_run_data,
    notes_on_data,
    refuse_other_data,
    write_pictures_of,
)
from jaxcnn.workdir.run_files import data_digest, missing_parts, read_part

# What a run's folder has beside its report; without one of them the run is looked at anew.
_RECORDS = ("config.json", "dataset.json", "environment.json", "metrics.jsonl", "metrics.csv")
_OF_AN_END = ("result.json", "report.md", "evaluation/test.json")
_OF_TRAINING = ("seconds", "images_per_second", "resumed")  # in the result, and no test changes it


def train(
    config: ConfigDict, workdir: Path, console: Console | None = None, data_at: Path | None = None
) -> dict[str, Any]:
    """Trains a config in a folder, or resumes the run that is there, and reports.

    In a group of processes all train, and process 0 writes what is not a checkpoint. `data_at` is
    where the data are, if not where the config says.

    Returns:
      What `result.json` holds.

    Raises:
      UserError: the config, the dataset or the folder is not fit; nothing was changed.
      Diverged: the loss was not finite.
      Stopped: a signal asked for it; the run is saved.
    """
    console = console or Console()
    check_config(config)
    check_for_checkpoints(workdir)
    check_run_files(workdir)
    adopt_older_rules(config, workdir)
    ended = read_ended(workdir)
    if ended and not _has_something_to_do(workdir, config, ended):
        return _leave_as_it_is(workdir, config, ended, console, data_at)
    # what ended before its first checkpoint begins anew
    is_new = not any(path.name.isdigit() for path in workdir.glob("checkpoints/*"))
    if ended and is_new:
        raise UserError(
            f"{workdir}: the run has ended, and its checkpoints are gone, so that it cannot go on; "
            "name another --workdir"
        )
    run, taken_over = _prepare(config, workdir, data_at, is_new=is_new)
    about_data = describe_data(run)
    with open_workdir(workdir, config) as (changes, check_folder):
        for line in missing_parts(workdir):
            console.warn(line)
        refuse_other_data(workdir, about_data)
        if is_new:
            refuse_unseen_classes(run.dataset, run.plan.views)
        warnings = notes_on_data(workdir, data_at)
        _introduce(run, workdir, console)
        loop = make_loop(run, workdir, console, check_folder)
        first = loop.position
        if group.is_main():
            if not (workdir / PICTURES).exists():
                write_pictures_of(workdir, run.dataset, run.plan.views)
            run_devices = list(run.plan.mesh.devices.flat)
            write_config(workdir, config, about_data, run_devices, changes, first.step)
            for name in _OF_AN_END:  # of an earlier one, until the run ends
                (workdir / name).unlink(missing_ok=True)
        loop.progress.data_digest = data_digest(about_data)
        if ended and first.step < ended.get("steps", 0):
            console.warn(
                f"the newest checkpoint is of step {first.step}; the one of step "
                f"{ended['steps']}, where the run had ended, is gone"
            )
        if first.step:
            console.resume(None if loop.ended else first.epoch + 1, first.step, changes)
        for line in warnings:
            console.warn(line)
        for line in taken_over:
            console.print(line)
        result = loop.train()
        check_folder()
        if ended and loop.position == first:  # it was tested again
            result |= {name: ended[name] for name in _OF_TRAINING if name in ended}
        classes = _report(workdir, result, data_at) if group.is_main() else []
    console.result(result, workdir, classes)
    return result


def _prepare(
    config: ConfigDict, workdir: Path, data_at: Path | None, *, is_new: bool
) -> tuple[Run, list[str]]:
    """The run before its first step, and lines on what it takes over from another."""
    if is_new:
        refuse_among_pictures(workdir, config.dataset.name, "name another --workdir")
    start = load_start(config) if config.init_from and is_new else None
    dataset = load_run_data(config, workdir, data_at)
    check_group(config, dataset, workdir, start)
    run = make_run(config, dataset)
    if not start:
        return run, []
    state, taken_over = start_from(start, run.state)
    return dataclasses.replace(run, state=state), taken_over


def _introduce(run: Run, workdir: Path, console: Console) -> None:
    """Says what will be trained, on what, and what the user should know of it."""
    console.start(run.plan.config, render_summary(run.plan.network), str(workdir))
    own_devices = list(run.plan.mesh.devices.flat)
    console.print(f"runs on {devices.describe(own_devices)}")
    if not devices.are_exact(own_devices):
        console.print(
            "the same command gives equal numbers to rounding; to the last bit with "
            "config.deterministic=True"
        )
    for line in data_notes(run.dataset, run.plan.views):
        console.print(line)
    for line in faint_channels(run.dataset, run.plan.config.dataset.scaling):
        console.warn(line)
    if text := last_weights_tested(run.plan.config):
        console.warn(text)


def _has_something_to_do(workdir: Path, config: ConfigDict, ended: dict[str, Any]) -> bool:
    """Whether a run that has ended goes on with a config, is tested otherwise, or lacks files."""
    if not reached_limits(ended, config) or not all((workdir / name).exists() for name in _RECORDS):
        return True
    return read_part(workdir, "config.json").get("test_with") != config.test_with


def _leave_as_it_is(
    workdir: Path,
    config: ConfigDict,
    ended: dict[str, Any],
    console: Console,
    data_at: Path | None,
) -> dict[str, Any]:
    """Say that a run has ended, and make what its report lacks; nothing else is written."""
    with open_workdir(workdir, config):
        console.print(summarize_end(ended, config), "bold")
        if group.is_main() and (missing := missing_files(workdir)):
            console.print(f"made again, as it is missing: {', '.join(missing)}")
            plot_curves(workdir)
            if any(is_of_evaluation(name) for name in missing):
                score_run(workdir, data_at=data_at)
            write_report(workdir)
    console.print(f"everything is in {workdir}")
    return ended


def _report(workdir: Path, result: dict[str, Any], data_at: Path | None) -> list[dict[str, Any]]:
    """Writes the result, the pictures and the report; gives the test split's figures by class."""
    write_json(workdir / "result.json", result)
    plot_curves(workdir)
    score_run(workdir, data_at=data_at)
    write_report(workdir)
    return tested_classes(workdir, result)

"""The main job: check, prepare, train, and leave a folder that tells the whole story."""

import dataclasses
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn import distributed
from jaxcnn.config_check import check_config
from jaxcnn.errors import UserError
from jaxcnn.models import summary
from jaxcnn.reporting.console import Console
from jaxcnn.reporting.curves import plot_curves
from jaxcnn.reporting.endings import ended_line, read_ended, what_stops
from jaxcnn.reporting.report import is_of_evaluation, missing_files, write_report
from jaxcnn.reporting.tables import render_summary
from jaxcnn.reporting.writers import read_json, write_json
from jaxcnn.training.loop import Loop
from jaxcnn.training.notices import later_weights
from jaxcnn.training.scoring import score_run
from jaxcnn.training.setup import describe_data, load_data, make_run
from jaxcnn.training.transfer import load_start, start_from
from jaxcnn.training.workdir import open_workdir, refuse_other_data, write_config

# What a run's folder has beside its report; without one of them the run is looked at anew.
_RECORDS = ("config.json", "dataset.json", "environment.json", "metrics.jsonl", "metrics.csv")
_OF_AN_END = ("result.json", "report.md", "evaluation/test.json")
_OF_TRAINING = ("seconds", "images_per_second", "resumed")  # in the result, and no test changes it


def train(config: ConfigDict, workdir: Path, console: Console | None = None) -> dict[str, Any]:
    """Trains a config in a folder, or resumes the run that is there, and reports.

    In a group of processes all train, and process 0 writes what is not a checkpoint.

    Returns:
      What `result.json` holds.

    Raises:
      UserError: the config, the dataset or the folder is not fit; nothing was changed.
      Diverged: the loss was not finite.
      Stopped: a signal asked for it; the run is saved.
    """
    console = console or Console()
    check_config(config)
    ended = read_ended(workdir)
    if ended and not _has_something_to_do(workdir, config, ended):
        return _leave_as_it_is(workdir, config, ended, console)
    # what ended before its first checkpoint begins anew
    is_new = not any(path.name.isdigit() for path in workdir.glob("checkpoints/*"))
    if ended and is_new:
        raise UserError(
            f"{workdir}: the run has ended, and its checkpoints are gone, so that it cannot go on; "
            "name another --workdir"
        )
    start = load_start(config.init_from) if config.init_from and is_new else None
    run, taken_over = make_run(config, load_data(config)), []
    if start:
        state, taken_over = start_from(start, run.state)
        run = dataclasses.replace(run, state=state)
    about_data = describe_data(run)
    with open_workdir(workdir, config) as changes:
        refuse_other_data(workdir, about_data)
        console.start(config, render_summary(summary(run.model)), str(workdir))
        if text := later_weights(config):
            console.warn(text)
        loop = Loop(run, workdir, console)
        if distributed.is_main():
            devices = list(run.mesh.devices.flat)
            write_config(workdir, config, about_data, devices, changes, loop.step)
            for name in _OF_AN_END:  # of an earlier one, until the run ends
                (workdir / name).unlink(missing_ok=True)
        first_step = loop.step
        if first_step:
            epoch = None if loop.ended else loop.epoch + 1
            console.resume(epoch, first_step, changes)
        for line in taken_over:
            console.print(line)
        result = loop.train()
        if ended and loop.step == first_step:  # it was tested again
            result |= {name: ended[name] for name in _OF_TRAINING if name in ended}
        if distributed.is_main():
            _report(workdir, result)
    console.result(result, workdir)
    return result


def _has_something_to_do(workdir: Path, config: ConfigDict, ended: dict[str, Any]) -> bool:
    """Whether a run that has ended goes on with a config, is tested otherwise, or lacks files."""
    if not what_stops(ended, config) or not all((workdir / name).exists() for name in _RECORDS):
        return True
    return read_json(workdir / "config.json").get("test_with") != config.test_with


def _leave_as_it_is(
    workdir: Path, config: ConfigDict, ended: dict[str, Any], console: Console
) -> dict[str, Any]:
    """Say that a run has ended, and make what its report lacks; nothing else is written."""
    with open_workdir(workdir, config):
        console.print(ended_line(ended, config), "bold")
        if distributed.is_main() and (missing := missing_files(workdir)):
            console.print(f"made again, as it is missing: {', '.join(missing)}")
            plot_curves(workdir)
            if any(is_of_evaluation(name) for name in missing):
                score_run(workdir)
            write_report(workdir)
    console.print(f"everything is in {workdir}")
    return ended


def _report(workdir: Path, result: dict[str, Any]) -> None:
    write_json(workdir / "result.json", result)
    plot_curves(workdir)
    score_run(workdir)
    write_report(workdir)

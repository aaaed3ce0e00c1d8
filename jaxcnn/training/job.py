"""The main job: check, prepare, train, and leave a folder that tells the whole story."""

import dataclasses
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn import devices, distributed
from jaxcnn.config_check import check_config
from jaxcnn.data.datasets import refuse_among_pictures
from jaxcnn.models import summary
from jaxcnn.paths import check_for_checkpoints
from jaxcnn.reporting.console import Console
from jaxcnn.reporting.curves import plot_curves
from jaxcnn.reporting.report import write_report
from jaxcnn.reporting.run_files import missing_parts
from jaxcnn.reporting.tables import render_summary
from jaxcnn.reporting.words import printable
from jaxcnn.reporting.writers import write_json
from jaxcnn.training.alike import refuse_unlike_processes
from jaxcnn.training.data_notes import data_notes, refuse_unseen_classes
from jaxcnn.training.loop import Loop
from jaxcnn.training.run_data import (
    adopt_older_rules,
    load_run_data,
    notes_on_data,
    refuse_other_data,
    write_pictures_of,
)
from jaxcnn.training.scoring import score_run
from jaxcnn.training.setup import describe_data, faint_channels, make_run
from jaxcnn.training.transfer import load_start, start_from
from jaxcnn.training.workdir import PICTURES, check_run_files, open_workdir, write_config


def train(
    config: ConfigDict, workdir: Path, console: Console | None = None, data_at: Path | None = None
) -> dict[str, Any]:
    """Trains a config in a folder, or resumes the run that is there, and reports.

    In a group of processes all train, and process 0 writes what is not a checkpoint. `data_at` is
    where the data are, if not where the config says.

    Returns:
      What `result.json` holds.

    Raises:
      UserError: the config, the dataset or the folder is not fit, or the processes of a group
        differ; nothing was changed.
      Diverged: the loss was not finite.
      Stopped: a signal asked for it; the run is saved.
    """
    console = console or Console()
    check_config(config)
    check_run_files(workdir)
    adopt_older_rules(config, workdir)
    # what ended before its first checkpoint begins anew
    is_new = not any(path.name.isdigit() for path in workdir.glob("checkpoints/*"))
    if is_new:
        refuse_among_pictures(workdir, config.dataset.name, "name another --workdir")
    check_for_checkpoints(workdir)
    start = load_start(config) if config.init_from and is_new else None
    dataset = load_run_data(config, workdir, data_at)
    refuse_unlike_processes(config, dataset, workdir, start)
    run, taken_over = make_run(config, dataset), []
    if start:
        state, taken_over = start_from(start, run.state)
        run = dataclasses.replace(run, state=state)
    about_data = describe_data(run)
    with open_workdir(workdir, config) as (changes, check_folder):
        for line in missing_parts(workdir):
            console.warn(line)
        refuse_other_data(workdir, about_data)
        if is_new:
            refuse_unseen_classes(run.dataset, run.views)
        notes = notes_on_data(workdir)
        console.start(config, render_summary(summary(run.model)), str(workdir))
        own_devices = list(run.mesh.devices.flat)
        console.print(f"runs on {devices.describe(own_devices)}")
        if not devices.are_exact(own_devices):
            console.print(
                "the same command gives equal numbers to rounding; to the last bit with "
                "config.deterministic=True"
            )
        for note in data_notes(run.dataset, run.views):
            console.print(printable(note))
        for line in faint_channels(run.dataset, config.dataset.scaling):
            console.warn(line)
        loop = Loop(run, workdir, console, check_folder)
        if distributed.is_main():
            if not (workdir / PICTURES).exists():
                write_pictures_of(workdir, run.dataset, run.views)
            write_config(workdir, config, about_data, own_devices, changes, loop.step)
            (workdir / "result.json").unlink(missing_ok=True)  # an older one's, until the run ends
        if loop.step:
            console.resume(loop.epoch + 1, loop.step, changes)
        for line in notes:
            console.warn(line)
        for line in taken_over:
            console.print(line)
        result = loop.train()
        check_folder()
        if distributed.is_main():
            _report(workdir, result, data_at)
    console.result(result, workdir)
    return result


def _report(workdir: Path, result: dict[str, Any], data_at: Path | None) -> None:
    write_json(workdir / "result.json", result)
    plot_curves(workdir)
    score_run(workdir, data_at=data_at)
    write_report(workdir)

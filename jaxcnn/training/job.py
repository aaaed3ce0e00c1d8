"""The main job: check, prepare, train, and leave a folder that tells the whole story."""

import dataclasses
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn import distributed
from jaxcnn.config_check import check_config
from jaxcnn.models import summary
from jaxcnn.reporting.console import Console
from jaxcnn.reporting.curves import plot_curves
from jaxcnn.reporting.evaluation_report import tested_classes
from jaxcnn.reporting.report import write_report
from jaxcnn.reporting.tables import render_summary
from jaxcnn.reporting.writers import write_json
from jaxcnn.training.loop import Loop
from jaxcnn.training.scoring import score_run
from jaxcnn.training.setup import describe_data, load_data, make_run
from jaxcnn.training.transfer import load_start, start_from
from jaxcnn.training.workdir import open_workdir, refuse_other_data, write_config


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
    # what ended before its first checkpoint begins anew
    is_new = not any(path.name.isdigit() for path in workdir.glob("checkpoints/*"))
    start = load_start(config.init_from) if config.init_from and is_new else None
    run, taken_over = make_run(config, load_data(config)), []
    if start:
        state, taken_over = start_from(start, run.state)
        run = dataclasses.replace(run, state=state)
    about_data = describe_data(run)
    with open_workdir(workdir, config) as changes:
        refuse_other_data(workdir, about_data)
        console.start(config, render_summary(summary(run.model)), str(workdir))
        loop = Loop(run, workdir, console)
        if distributed.is_main():
            devices = list(run.mesh.devices.flat)
            write_config(workdir, config, about_data, devices, changes, loop.step)
            (workdir / "result.json").unlink(missing_ok=True)  # an older one's, until the run ends
        if loop.step:
            console.resume(loop.epoch + 1, loop.step, changes)
        for line in taken_over:
            console.print(line)
        result = loop.train()
        classes = _report(workdir, result) if distributed.is_main() else []
    console.result(result, workdir, classes)
    return result


def _report(workdir: Path, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Writes the result, the pictures and the report; gives the test split's figures by class."""
    write_json(workdir / "result.json", result)
    plot_curves(workdir)
    score_run(workdir)
    write_report(workdir)
    return tested_classes(workdir, result)

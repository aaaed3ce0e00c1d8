"""The lines that a run begins with: network, config, devices, notes, and where it goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.scaling import faint_channels
from jaxcnn.process import devices
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.reporting.terminal.tables import render_summary
from jaxcnn.training.data_notes import data_notes, untrained_classes, weight_notes
from jaxcnn.training.fine_tuning import trained_share
from jaxcnn.training.loop import Loop
from jaxcnn.training.messages import last_weights_tested
from jaxcnn.training.run import Run
from jaxcnn.workdir.changes import Change


def introduce(run: Run, workdir: Path, console: Console) -> None:
    """Show the network, the config, the devices, and notes on the data and the config."""
    config, views = run.plan.config, run.plan.views
    console.start(config, render_summary(run.plan.network), str(workdir))
    run_devices = list(run.plan.mesh.devices.flat)
    console.print(f"runs on {devices.describe(run_devices)}")
    if not devices.are_exact(run_devices):
        console.print(
            "the same command gives the same numbers up to rounding; config.deterministic=True "
            "gives the same bits"
        )
    if run.plan.streams and not config.dataset.streaming:
        console.print("the images do not fit into the memory: each step reads its own from disk")
    notes = (*data_notes(run.dataset, views), *weight_notes(config, run.dataset))
    for line in (*notes, *trained_share(config, run.state.params)):
        console.print(line)
    for line in untrained_classes(run.dataset, views):
        console.warn(line)
    for line in faint_channels(run.dataset, config.dataset.scaling):
        console.warn(line)
    if warning := last_weights_tested(config):
        console.warn(warning)


def show_start(
    loop: Loop, ended: dict[str, Any] | None, changes: Sequence[Change], console: Console
) -> None:
    """Show where a resumed run starts, and what changed in its config."""
    start = loop.position
    if ended and start.step < ended.get("steps", 0):
        console.warn(
            f"the newest checkpoint is of step {start.step}; that of step {ended['steps']}, where "
            "the run ended, is gone"
        )
    if start.step:
        console.resume(None if loop.ended else start.epoch + 1, start.step, list(map(str, changes)))

"""The lines that introduce a run before its first step."""

from pathlib import Path

from jaxcnn.data.scaling import faint_channels
from jaxcnn.process import devices
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.reporting.terminal.tables import render_summary
from jaxcnn.training.data_notes import data_notes, weight_notes
from jaxcnn.training.fine_tuning import trained_share
from jaxcnn.training.messages import last_weights_tested
from jaxcnn.training.run import Run


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
    notes = [*data_notes(run.dataset, views), *weight_notes(config, run.dataset)]
    if run.plan.streams and not config.dataset.streaming:
        notes.insert(0, "the images do not fit into the memory: each step reads its own from disk")
    for line in (*notes, *trained_share(config, run.state.params)):
        console.print(line)
    for line in faint_channels(run.dataset, config.dataset.scaling):
        console.warn(line)
    if warning := last_weights_tested(config):
        console.warn(warning)

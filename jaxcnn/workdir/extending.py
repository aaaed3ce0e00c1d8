"""What a run that continues takes from its folder: phases, and the names of its data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.phases import Phase, canonical, phases_of
from jaxcnn.data.class_selection import select_classes
from jaxcnn.data.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.workdir import run_files
from jaxcnn.workdir.endings import read_ended
from jaxcnn.workdir.full_paths import full_name
from jaxcnn.workdir.phases import last_epoch


def adopt_phases(config: ConfigDict, workdir: Path) -> None:
    """Make a config's phases fit its `num_epochs` and the run in a folder, which it continues.

    If the config names no phases, or only the first of the run's, the run's phases go on. More
    epochs than the run had are a further phase if its last one is finished. Else they lengthen the
    last one, so that an interruption is no phase. Fewer epochs cut the phases.

    Raises:
      UserError: a new run has more epochs than its phases.
    """
    if config.num_steps:
        return
    phases = phases_of(config)
    saved = run_files.read_part_if_there(workdir, "config.json") or {}
    if saved and "num_epochs" not in saved:
        return  # no run's folder, which `open_workdir` refuses
    before = phases_of(saved) if saved else []
    if saved and (not config.phases or _begins_with(before, phases)):
        phases = before
        more = config.num_epochs - sum(phase.epochs for phase in before)
        if more > 0 and _has_finished(workdir, saved):
            phases = [*before, Phase(more)]
    elif config.num_epochs > (total := sum(phase.epochs for phase in phases)):
        raise UserError(
            f"config.num_epochs = {config.num_epochs}: config.phases = {config.phases!r} have "
            f"{total} epochs; set config.num_epochs = {total}, or add a phase"
        )
    config.phases = canonical(_with_epochs(phases, config.num_epochs))


def adopt_recorded_names(config: ConfigDict, dataset: Dataset, workdir: Path) -> None:
    """Let a config name a dataset as the run in a folder does, if that began with the same data.

    Older code recorded other values of these fields for a dataset that was given from Python.
    """
    before = (run_files.read_part_if_there(workdir, "config.json") or {}).get("dataset", {})
    if before.get("name") != full_name(dataset.name):
        return
    saved = run_files.read_part_if_there(workdir, "dataset.json") or {}
    used = select_classes(dataset, config.dataset.classes)
    if saved.get("fingerprint") == used.fingerprint:
        for name in ("split", "exclude", "image_size", "image_width"):
            config.dataset[name] = before.get(name, config.dataset[name])


def _begins_with(phases: Sequence[Phase], first: Sequence[Phase]) -> bool:
    texts = canonical(first) or (str(first[0].epochs),)
    return tuple(map(str, phases[: len(texts)])) == texts


def _with_epochs(phases: Sequence[Phase], epochs: int) -> list[Phase]:
    """Return the phases, cut or with a longer last one, that take so many epochs together."""
    result, left = [], epochs
    for index, phase in enumerate(phases):
        is_last = index == len(phases) - 1
        length = left if is_last else min(phase.epochs, left)
        if length > 0:
            result.append(Phase(length, phase.is_fresh, phase.overrides))
            left -= length
    return result


def _has_finished(workdir: Path, config: Mapping[str, Any]) -> bool:
    """Return whether the run in a folder has finished the epochs of its last phase."""
    result = read_ended(workdir)
    if result is not None:
        return result["ended"] == "epochs"
    steps = run_files.checkpoint_steps(workdir)
    try:
        progress = run_files.read_progress(workdir, steps[-1]) if steps else {}
    except run_files.OtherRun:
        raise
    except UserError:  # the run resumes from an earlier checkpoint
        return False
    begun = progress.get("phases", [])
    is_last = len(begun) == len(phases_of(config))
    return is_last and progress.get("epochs", 0) >= last_epoch(config, begun)

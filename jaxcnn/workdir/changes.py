"""What a resumed run may change of its config."""

from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.config.fields import HARMLESS, flatten, older_defaults, to_dict
from jaxcnn.data.places import same_dataset
from jaxcnn.errors import UserError
from jaxcnn.workdir import run_files
from jaxcnn.workdir.endings import how_on, read_ended, what_stops
from jaxcnn.workdir.run_data import PICTURES

# A run may be resumed with more epochs or another rate, but with these it is another run.
_IDENTITY = (
    "model.", "dataset.name", "dataset.label_set", "dataset.split", "dataset.image_size",
    "dataset.fraction", "dataset.scaling", "steps_per_epoch", "validation", "holdout", "init_from",
    "seed", "deterministic", "optimizer.name", "optimizer.ema_decay",
)  # fmt: skip
# What may be set otherwise when a run has ended, and its test is repeated.
_AFTER_THE_END = (*HARMLESS, "dataset.name", "test_with", "early_stopping.", "max_minutes")


def changes_of_config(workdir: Path, now: dict) -> list[str]:
    """Return a line for each field whose value is not the one that the run had before.

    Raises:
      UserError: the folder holds another run.
    """
    before = run_files.read_part(workdir, "config.json")
    for name in ("model", "dataset", "seed"):  # every run's has these: it is another program's
        if name not in before:
            raise UserError(
                f"{workdir}: holds another run: its config.json has no {name}; name another "
                "--workdir"
            )
    now, missing = flatten(now), flatten(to_dict(older_defaults()))
    before = {name: missing[name] for name in now if name in missing} | flatten(before)
    changed = [name for name in now if before.get(name) != now[name]]
    for name in changed:
        # the same pictures may lie elsewhere by now: `load_run_data` has looked for them
        may_be_moved = name == "dataset.name" and (
            same_dataset(before[name], now[name]) or (workdir / PICTURES).exists()
        )
        # an epoch of so many batches has other examples where they have another size
        cuts_otherwise = name == "global_batch_size" and now["steps_per_epoch"]
        if (name.startswith(_IDENTITY) and not may_be_moved) or cuts_otherwise:
            raise UserError(
                f"{workdir}: holds another run: its {name} is {before.get(name)!r}, this one's is "
                f"{now[name]!r}; name another --workdir"
            )
    return [f"{name}: {before.get(name)!r} before, now {now[name]!r}" for name in changed]


def refuse_changes_after_the_end(workdir: Path, config: ConfigDict, changes: list[str]) -> None:
    """Sees to it that a run that has ended, and does not go on, keeps the recipe it ended with."""
    ended = read_ended(workdir)
    stops = what_stops(ended, config) if ended else []
    for change in changes:
        if stops and not change.startswith(_AFTER_THE_END):
            on = how_on(stops, ended, config)
            raise UserError(
                f"{workdir}: the run has ended, after {ended['num_epochs']} epochs, and does not "
                f"go on with {change}; it goes on with {on}; or name another --workdir"
            )

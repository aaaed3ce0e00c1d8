"""Train a config, or resume its run: `python -m jaxcnn.main --config=googlenet:cifar100`."""

import sys
from pathlib import Path

from absl import flags

import jaxcnn
from jaxcnn.config.flag import config_flag, given_name, given_run, register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command, group, heap
from jaxcnn.process.run_flags import data_at_flag

QUICKSTART = Path(__file__).with_name("config") / "quickstart.py"

_CONFIG = config_flag(
    "A recipe, a config file, or the config.json of a run; a colon and the name of a variant may "
    "follow (default: the quickstart)."
)
_INIT_FROM = path_flag(
    "init_from", "Another run's folder: a new run starts from its weights (config.init_from)."
)
_DISTRIBUTED = flags.DEFINE_boolean(
    "distributed",
    False,
    "Let JAX find the group's other processes (SLURM, TPU pod, Kubernetes).",
)
_DATA_AT = data_at_flag()
_PROFILE = flags.DEFINE_integer(
    "profile",
    0,
    "Trace so many training steps, and write what they cost to WORKDIR/profile.",
    lower_bound=0,
    upper_bound=1000,
)
_SEEDS = flags.DEFINE_integer(
    "seeds", 1, "Train so many seeds as a population, from config.seed on.", 1, 1000
)
_FOLDS = flags.DEFINE_integer(
    "folds",
    0,
    "Cross-validation: divide the training set into so many parts. Train one run for each part, "
    "and validate it on that part. The run that has not seen a training image predicts it.",
    0,
    100,
)
_WORKDIR = path_flag("workdir", "The run's folder (default: runs/CONFIG-VARIANT).")
register_flag()


def main(arguments: list[str]) -> None:
    """Train in the workdir, or resume the run that is there."""
    if arguments:
        raise UserError(
            f"unexpected argument {arguments[0]!r}; flags begin with --, such as --config=FILE"
        )
    from jaxcnn.api import train
    from jaxcnn.workdir.run_config import check_given_config

    workdir = _WORKDIR.value or Path("runs", given_name())
    check_given_config(_CONFIG.value, given_run(), workdir)
    if _INIT_FROM.value:
        _CONFIG.value.init_from = str(_INIT_FROM.value)
    if _SEEDS.value > 1 and _FOLDS.value:
        raise UserError("--folds and --seeds: give one of them")
    heap.tidy_after_compiling()
    if _SEEDS.value > 1:
        _train_seeds(workdir)
        return
    if _FOLDS.value:
        _train_folds(workdir)
        return
    with group.joined(find_cluster=_DISTRIBUTED.value):
        train(
            _CONFIG.value,
            workdir,
            data_at=_DATA_AT.value,
            profile_steps=_PROFILE.value,
        )


def _train_folds(workdir: Path) -> None:
    """Train the runs of `--folds`."""
    if _PROFILE.value or _DISTRIBUTED.value:
        raise UserError(
            "--folds: trains in one process and unprofiled; drop --distributed and --profile"
        )
    from jaxcnn.api.folds import train_folds

    train_folds(_CONFIG.value, _FOLDS.value, workdir, data_at=_DATA_AT.value)


def _train_seeds(workdir: Path) -> None:
    """Train the population of `--seeds`."""
    if _PROFILE.value or _DISTRIBUTED.value:
        raise UserError(
            "--seeds: trains in one process and unprofiled; drop --distributed and --profile"
        )
    from jaxcnn.api.population import train_population

    first = _CONFIG.value.seed
    seeds = f"seed={first}..{first + _SEEDS.value - 1}"
    train_population(_CONFIG.value, seeds, workdir, data_at=_DATA_AT.value)


def _add_default_config(argv: list[str]) -> list[str]:
    """Return the arguments with `--config` of the quickstart, if they name no config.

    The quickstart is not the flag's default, because a default is read while the flags are defined.
    A mistake in it could not be reported in one line then.
    """
    if any(argument.split("=")[0] in ("-config", "--config") for argument in argv):
        return argv
    return [argv[0], f"--config={QUICKSTART}", *argv[1:]]


if __name__ == "__main__":
    command.run(
        main,
        _add_default_config(sys.argv),
        resumable=True,
        describe_config=lambda: jaxcnn.describe_config(),
    )

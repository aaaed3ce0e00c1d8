"""Run a recipe again and judge the result: `python -m jaxcnn.reproduce lenet:cifar10 --seeds=3`.

The runs are in runs/reproduce/NAME/seed0 and so on. The same command resumes what was stopped and
keeps what has ended. Their test accuracies are compared with the records in a checkout's
`results/runs` and with the published figure. The recipe is followed in every field.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command, heap

if TYPE_CHECKING:
    from jaxcnn.reporting.comparison.groups import RecipeGroup

_SEEDS = flags.DEFINE_integer(
    "seeds", 3, "The number of runs; their seeds count up from the recipe's.", 1
)
_OUT = path_flag("out", "The folder for the runs (default: runs/reproduce/NAME).")
_RECORDS = path_flag("records", "The folder of kept runs (default: the checkout's results/runs).")


def main(arguments: list[str]) -> None:
    """Train the seeds, and print and write the verdicts."""
    from jaxcnn.config.files import config_name, load_config

    name = _recipe_of(arguments)
    load_config(name)  # a wrong name is reported before JAX is loaded
    kept = _kept()
    from jaxcnn.api.reproduction import reproduce

    heap.tidy_after_compiling()
    out = _OUT.value or Path("runs", "reproduce", config_name(name))
    print("\n".join(["", *reproduce(name, _SEEDS.value, out, kept)]))


def _recipe_of(arguments: list[str]) -> str:
    """Return the recipe that the arguments name.

    Raises:
      UserError: they name none or several, or change a field.
    """
    changes = [argument for argument in arguments if argument.startswith("-")]
    if changes:
        raise UserError(
            f"{changes[0]}: a recipe is reproduced unchanged; train a changed one with "
            "jaxcnn train --config=NAME"
        )
    if len(arguments) != 1:
        raise UserError("name one recipe: python -m jaxcnn.reproduce lenet:cifar10 --seeds=3")
    return arguments[0]


def _kept() -> "list[RecipeGroup]":
    """Return the kept runs.

    Raises:
      UserError: there is no such folder, or none of its folders holds a run.
    """
    from jaxcnn.reporting.kept_runs import RUNS, kept_groups

    if _RECORDS.value and not _RECORDS.value.is_dir():
        raise UserError(f"--records={_RECORDS.value}: there is no such folder")
    return kept_groups(_RECORDS.value or RUNS)


def _changes_last(argv: list[str]) -> list[str]:
    """Return the arguments with those that change the config behind `--`, for `_recipe_of`."""
    changes = [argument for argument in argv[1:] if argument.startswith(("-config", "--config"))]
    others = [argument for argument in argv if argument not in changes]
    return [*others, "--", *changes] if changes else argv


if __name__ == "__main__":
    command.run(main, _changes_last(sys.argv), resumable=True)

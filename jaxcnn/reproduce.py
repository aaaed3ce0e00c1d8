"""Run a recipe again and judge the result: `python -m jaxcnn.reproduce lenet:cifar10 --seeds=3`.

The runs are in runs/reproduce/NAME/seed0 and so on. The same command resumes what was stopped and
keeps what has ended. Their test accuracies are compared with the records in a checkout's
`results/runs` and with the published figure. The recipe is followed in every field.
"""

import dataclasses
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
    load_config(name)  # a wrong name is told before JAX is loaded
    kept = _kept()
    out = _OUT.value or Path("runs", "reproduce", config_name(name))
    folders = _train(name, out)
    for line in _judge(name, folders, kept, out):
        print(line)


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


def _train(name: str, out: Path) -> list[Path]:
    """Train the seeds, each in its folder; return the folders."""
    from jaxcnn.api import train
    from jaxcnn.config.files import load_config
    from jaxcnn.workdir.run_config import check_config

    heap.tidy_after_compiling()
    folders = []
    for index in range(_SEEDS.value):
        config = load_config(name)
        config.seed += index
        folder = out / f"seed{config.seed}"
        check_config(config, None, folder)
        train(config, folder)
        folders.append(folder)
    return folders


def _kept() -> "list[RecipeGroup]":
    """Return the kept runs.

    Raises:
      UserError: there is no such folder, or none of its folders holds a run.
    """
    from jaxcnn.reporting.kept_runs import RUNS, kept_groups

    if _RECORDS.value and not _RECORDS.value.is_dir():
        raise UserError(f"--records={_RECORDS.value}: there is no such folder")
    return kept_groups(_RECORDS.value or RUNS)


def _judge(name: str, folders: list[Path], kept: "list[RecipeGroup]", out: Path) -> list[str]:
    """Write `reproduction.json`; return its content as lines."""
    from jaxcnn.config.defaults import to_dict
    from jaxcnn.config.files import load_config
    from jaxcnn.files.writing import write_json
    from jaxcnn.reporting.comparison.runs import read_runs
    from jaxcnn.reporting.reproduction import judge_runs, summarize

    runs, _ = read_runs(folders)
    verdicts = judge_runs(to_dict(load_config(name)), runs, kept)
    write_json(
        out / "reproduction.json",
        {
            "recipe": name,
            "seeds": [run.config["seed"] for run in runs],
            "test_accuracies": [run.result["test_accuracy"] for run in runs if run.result],
            "verdicts": {what: dataclasses.asdict(v) for what, v in verdicts.items()},
        },
    )
    return summarize(name, runs, verdicts)


def _changes_last(argv: list[str]) -> list[str]:
    """Return the arguments with those that change the config behind `--`, for `_recipe_of`."""
    changes = [a for a in argv[1:] if a.lstrip("-").startswith("config") and a.startswith("-")]
    others = [argument for argument in argv if argument not in changes]
    return [*others, "--", *changes] if changes else argv


if __name__ == "__main__":
    command.run(main, _changes_last(sys.argv), resumable=True)

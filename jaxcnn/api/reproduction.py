"""A recipe that is run again with several seeds, and the verdict on the result."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.api.arguments import adopt_from_run
from jaxcnn.api.run import train
from jaxcnn.config.defaults import to_dict
from jaxcnn.config.files import load_config
from jaxcnn.config.published import changes_of_recipe, recipe_digest
from jaxcnn.errors import UserError
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison.groups import RecipeGroup
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.reproduction import judge_runs, summarize
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.workdir.run_files import read_part_if_there


def reproduce(name: str, num_seeds: int, out: Path, kept: Sequence[RecipeGroup]) -> list[str]:
    """Train a recipe with several seeds, and compare the results with earlier figures.

    The runs are in `out/seed0` and so on. A run that was stopped is resumed, and one that has ended
    is not trained again. The verdicts are written to `out/reproduction.json`.

    Args:
      name: see `load_config`.
      num_seeds: the number of runs; their seeds count up from the recipe's.
      out: the folder of the runs.
      kept: earlier runs, of this recipe or of others.

    Returns:
      The test accuracies and the verdicts as lines.

    Raises:
      UserError: the recipe, its data or a folder is wrong.
      Diverged: the loss of a run is not finite.
      Stopped: a signal stopped a run, which is saved.
    """
    config = load_config(name)
    recipe, console = to_dict(config), Console()
    folders = {seed: out / f"seed{seed}" for seed in range(config.seed, config.seed + num_seeds)}
    for folder in folders.values():
        _refuse_another_recipe(folder, config)
    for number, (seed, folder) in enumerate(folders.items(), 1):
        console.print(f"\n{name}, seed {seed}: run {number} of {num_seeds}\n", "bold")
        config.seed = seed
        train(config, folder)
    runs, _ = read_runs(list(folders.values()))
    verdicts = judge_runs(recipe, runs, kept)
    write_json(
        out / "reproduction.json",
        {
            "recipe": name,
            "seeds": [run.config["seed"] for run in runs],
            "test_accuracies": [run.result["test_accuracy"] for run in runs if run.result],
            "verdicts": {key: dataclasses.asdict(verdict) for key, verdict in verdicts.items()},
        },
    )
    return summarize(name, runs, verdicts)


def _refuse_another_recipe(folder: Path, config: ConfigDict) -> None:
    """Check that the run in a folder, if there is one, has the recipe from its first step on.

    Raises:
      UserError: it has another one, or was changed on the way.
    """
    saved = read_part_if_there(folder, "config.json")
    if saved is None:
        return
    config = config.copy_and_resolve_references()
    adopt_from_run(config, folder)
    environment = read_part_if_there(folder, "environment.json") or {}
    if recipe_digest(saved) != recipe_digest(to_dict(config)) or changes_of_recipe(environment):
        raise UserError(
            f"{folder}: the run there has another recipe, or its recipe was changed on the way; "
            "name another --out, or move the folder away"
        )

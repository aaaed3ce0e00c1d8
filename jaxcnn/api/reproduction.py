"""A recipe that is run again with several seeds, and the verdict on the result."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jaxcnn.api.run import train
from jaxcnn.config.defaults import to_dict
from jaxcnn.config.files import load_config
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison.groups import RecipeGroup
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.reproduction import judge_runs, summarize
from jaxcnn.reporting.terminal.console import Console


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
    recipe = to_dict(config)
    folders, console = [], Console()
    for number, seed in enumerate(range(config.seed, config.seed + num_seeds), 1):
        console.print(f"\n{name}, seed {seed}: run {number} of {num_seeds}\n", "bold")
        config.seed = seed
        folders.append(out / f"seed{seed}")
        train(config, folders[-1])
    runs, _ = read_runs(folders)
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

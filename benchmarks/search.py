"""A searched recipe beside the quickstart's, on fresh digits: `python benchmarks/search.py`.

scikit-learn's 1,797 digits are halved. The search trains and validates on the first half. Then both
recipes train ten times: each time a tenth of the second half is the test split, and all other
digits, of both halves, are for training. So the search saw no test digit. The quickstart's recipe
was once chosen by a test split of these digits, which favors it.

The ten differences have a paired t test, and all test digits together McNemar's.

Runs are kept in --workdir, and the same command goes on.
"""

import statistics
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from rich.console import Console
from rich.table import Table
from scipy.stats import ttest_rel

import jaxcnn
import results
from jaxcnn.api.search.plan import make_search
from jaxcnn.api.search.run import run_search
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command, heap
from jaxcnn.reporting.comparison.statistics import compare_answers

_TRIALS = flags.DEFINE_integer("trials", 60, "Trials of the search.", 1)
_EPOCHS = flags.DEFINE_integer("epochs", 60, "Epochs of each training.", 1)
_SPLITS = flags.DEFINE_integer("splits", 10, "Fresh splits.", 2)
_WORKDIR = path_flag("workdir", "The folder of all runs (default: runs/search-benchmark).")
_JSON = flags.DEFINE_string("json", "", "The file that the results are written to, as JSON.")

SEARCH = (
    "optimizer.learning_rate=log(1e-4,1e-1); optimizer.b1=uniform(.5,.98); loss.l2=log(1e-6,1e-2); "
    "loss.label_smoothing=uniform(0,.2); schedule.warmup_epochs=0..5"
)
NAME = "half_of_digits"
SEED = 0


def shuffled_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return all digits, uint8 (1797, 32, 32, 1), and their labels, in a fixed random order."""
    splits = jaxcnn.load_dataset("digits", image_size=32).splits.values()
    images = np.concatenate([split.images for split in splits])
    labels = np.concatenate([split.labels for split in splits])
    order = np.random.default_rng(SEED).permutation(len(labels))
    return images[order], labels[order]


def search_recipe(images: np.ndarray, labels: np.ndarray, workdir: Path) -> Any:
    """Return the config of the best trial of a search on some digits."""
    half = images, labels

    # the search tests its best trial, on images that it has seen: the figure is not used
    @jaxcnn.dataset(NAME)
    def half_of_digits() -> jaxcnn.Dataset:
        return jaxcnn.Dataset.from_arrays(train=half, test=half)

    config = jaxcnn.load_config("digits")
    config.num_epochs, config.dataset.name = _EPOCHS.value, NAME
    config.tuned_on_test_of = ""
    run_search(make_search(config, SEARCH, workdir, num_trials=_TRIALS.value))
    return jaxcnn.load_config(workdir / "best.json")


def correct_answers(
    recipe: Any, images: np.ndarray, labels: np.ndarray, test: np.ndarray, workdir: Path, seed: int
) -> np.ndarray:
    """Train a recipe on all digits but the test ones; return which of those it classifies right.

    Args:
      recipe: the config.
      images, labels: all digits.
      test: the indices of the test digits.
      workdir: the run's folder.
      seed: of the run.
    """
    is_test = np.isin(np.arange(len(labels)), test)
    dataset = jaxcnn.Dataset.from_arrays(
        train=(images[~is_test], labels[~is_test]), test=(images[is_test], labels[is_test])
    )
    config = recipe.copy_and_resolve_references()
    config.seed, config.num_epochs, config.tuned_on_test_of = seed, _EPOCHS.value, ""
    trained = jaxcnn.train(config, workdir, dataset, quiet=True).trained
    return trained.logits(images[is_test]).argmax(-1) == labels[is_test]


def main(arguments: list[str]) -> None:
    """Search, train both recipes on the fresh splits, and print the comparison."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; flags begin with --")
    results.check_json(_JSON.value)
    heap.tidy_after_compiling()
    workdir = _WORKDIR.value or Path("runs/search-benchmark")
    images, labels = shuffled_digits()
    half = len(labels) // 2
    recipes = {
        "searched": search_recipe(images[:half], labels[:half], workdir / "search"),
        "quickstart": jaxcnn.load_config("digits"),
    }
    rows, answers = [], {name: [] for name in recipes}
    for number, test in enumerate(np.array_split(np.arange(half, len(labels)), _SPLITS.value)):
        row: dict[str, Any] = {"split": number, "test_digits": len(test)}
        for name, recipe in recipes.items():
            folder = workdir / f"{name}-{number}"
            answers[name].append(correct_answers(recipe, images, labels, test, folder, number))
            row[name] = float(answers[name][-1].mean())
        print(row, flush=True)
        rows.append(row)
    show(rows, {name: np.concatenate(parts) for name, parts in answers.items()})
    if _JSON.value:
        results.write_results(Path(_JSON.value), "search", rows)


def show(rows: list[dict[str, Any]], answers: dict[str, np.ndarray]) -> None:
    """Print the accuracies, and both tests of their difference."""
    table = Table("recipe", "mean accuracy", "standard deviation", "wrong digits")
    for name, correct in answers.items():
        accuracies = [row[name] for row in rows]
        table.add_row(
            name,
            f"{statistics.mean(accuracies):.2%}",
            f"{statistics.stdev(accuracies):.2%}",
            f"{(~correct).sum()} of {len(correct)}",
        )
    Console().print(table)
    first, second = answers.values()
    p = ttest_rel(*([row[name] for row in rows] for name in answers)).pvalue
    difference = compare_answers(
        int((first & ~second).sum()), int((second & ~first).sum()), len(first)
    )
    print(f"paired t test of the {len(rows)} splits: p = {p:.3f}")
    print(f"{difference.test}: p = {difference.p:.3f}")
    if min(p, difference.p) > 0.05:
        print("the two recipes cannot be told apart")


if __name__ == "__main__":
    command.run(main)

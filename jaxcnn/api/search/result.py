"""The result of a search: `result.json`, `best.json`, the report, and its table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.members import result_of
from jaxcnn.api.population_folder import member_folder
from jaxcnn.api.run import complete_report
from jaxcnn.api.search.plan import Search, about
from jaxcnn.api.search.programs import Programs
from jaxcnn.api.search.study import Trial
from jaxcnn.config.sweep import with_values
from jaxcnn.errors import Diverged
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison.labels import short_value
from jaxcnn.reporting.search_report import best_table, front_table, write_search_report
from jaxcnn.reporting.terminal.comparison_table import print_table
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.text import percent
from jaxcnn.workdir.full_paths import config_in_full

_BEST = "best.json"


def rows_of(trials: Sequence[Trial], minimize: str) -> list[dict[str, Any]]:
    """Return the rows of a study's trials for `result.json`, the best one first.

    Args:
      trials: of the study.
      minimize: the name of their cost; "" for none.
    """
    return [
        {
            "trial": trial.number,
            "state": "diverged" if trial.notes.get("diverged") else trial.state,
            **trial.values,
            **({minimize: trial.notes.get(minimize)} if minimize else {}),
            "validation_accuracy": trial.accuracy,
            "validation_loss": trial.notes.get("validation_loss"),
            "epochs": trial.notes.get("epochs"),
            **({"reason": trial.notes["reason"]} if "reason" in trial.notes else {}),
        }
        for trial in sorted(trials, key=lambda trial: trial.rank)
        if trial.values  # else its process died while it asked
    ]


def front_of(rows: Sequence[dict[str, Any]], minimize: str) -> list[dict[str, Any]]:
    """Return the trials that no other one beats, the cheapest first.

    One beats another if it is at least as good in accuracy and cost, and better in one of them. Of
    trials that are equal in both, the one with the lowest loss is on the front.

    Args:
      rows: of the trials, the best one first.
      minimize: the name of their cost.
    """
    front: list[dict[str, Any]] = []
    finished = [row for row in rows if row["state"] == "finished" and row[minimize] is not None]
    for row in sorted(finished, key=lambda row: row[minimize]):  # the best of equal costs first
        if not front or row["validation_accuracy"] > front[-1]["validation_accuracy"]:
            front.append(row)
    return front


def finish(search: Search, rows: Sequence[dict[str, Any]], programs: Programs) -> dict[str, Any]:
    """Write the result of a search so far; return the content of `result.json`.

    Args:
      search: the search.
      rows: of the trials, the best one first.
      programs: of the search.

    Raises:
      Diverged: the loss of every trial was not finite, and no other process trains one.
    """
    workdir = search.workdir
    trials: list[dict[str, Any]] = [row | _folder(workdir, row["trial"]) for row in rows]
    best = next((row for row in trials if row["state"] == "finished"), None)
    if best is None:
        states = {row["state"] for row in trials}
        if "diverged" in states and "running" not in states:
            raise Diverged(
                f"{workdir}: the loss of each trial was not finite; search lower learning rates"
            )
        return {**about(search), "best": None, "trials": trials}
    config = programs.config(best["trial"], {name: best[name] for name in search.fields})
    best = best | _complete_best(programs, config, best["trial"])
    if not search.generation:
        devices = {"num_devices": search.config.num_devices}
        write_json(workdir / _BEST, config_in_full(with_values(config, devices)))
        best["config"] = _BEST
    front = front_of(trials, search.minimize) if search.minimize else []
    result = {
        **about(search),
        "best": best,
        **({"front": front} if search.minimize else {}),
        "trials": trials,
    }
    write_json(workdir / "result.json", result)
    write_search_report(workdir, search.fields, trials, _lines(result), search.minimize, front)
    return result


def _folder(workdir: Path, number: int) -> dict[str, str]:
    """Return the folder of a trial as a row's field; none if it is another search folder's."""
    folder = member_folder(workdir, number)
    return {"folder": str(folder.relative_to(workdir))} if folder.exists() else {}


def show(search: Search, result: Mapping[str, Any], console: Console) -> None:
    """Show the result of a search."""
    if not result["best"]:
        console.print("no trial has finished yet; other processes train them")
        return
    if not console.is_quiet:
        if search.minimize:
            print_table("", front_table(search.fields, result["front"], search.minimize))
        print_table("", best_table(search.fields, result["trials"], search.minimize))
    for line in _lines(result):
        console.print(line.replace("`", ""))
    console.print(f"everything is in {search.workdir}")


def _complete_best(programs: Programs, config: ConfigDict, number: int) -> dict[str, Any]:
    """Write the report of the best trial if its run is in the folder; return its test accuracy."""
    folder = programs.folder(number)
    ended = result_of(folder, config)
    if ended is None:
        return {}
    complete_report(folder, config, ended, Console(quiet=True), programs.source(config))
    return {"test_accuracy": ended["test_accuracy"]}


def _lines(result: Mapping[str, Any]) -> list[str]:
    """Return paragraphs about a search and its best trial."""
    best, states = result["best"], Counter(row["state"] for row in result["trials"])
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    values = ", ".join(f"{name} = {short_value(best[name])}" for name in result["fields"])
    test = f", test accuracy {percent(best['test_accuracy'])}" if "test_accuracy" in best else ""
    replaced = "; those of a replaced trial are its last ones" if states["replaced"] else ""
    lines = [
        f"{states.total()} trials: {counts}. The last call chose by {result['sampler']}. They are "
        f"ranked by the {result['objective']}{replaced}; the test split chose nothing.",
        f"Best: trial {best['trial']}, {values}: validation accuracy "
        f"{percent(best['validation_accuracy'])}{test}.",
    ]
    if front := result.get("front"):
        trials = f"{len(front)} trial{'s' * (len(front) > 1)}"
        lines.append(
            f"The front has {trials} that no other one beats in both accuracy and "
            f"{result['minimize']}. `config.json` in a trial's folder is its config, for "
            "`jaxcnn train --config`."
        )
    if "config" in best:
        return [*lines, f"`{_BEST}` is the config of the best trial, for `jaxcnn train --config`."]
    *ancestors, _ = best["lineage"]
    changed = (
        f"; it began as a copy of trial {ancestors[-1]}, with other settings" if ancestors else ""
    )
    return [*lines, f"Its weights are in `{best['folder']}`{changed}."]

"""Runs, finished or not, read from the files in their folders."""

import dataclasses
import functools
import itertools
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.evaluation.balance import balanced_accuracy
from jaxcnn.reporting import protocol
from jaxcnn.reporting.comparison.answers import Answers, read_answers
from jaxcnn.reporting.series import series
from jaxcnn.workdir import metrics_log, run_files
from jaxcnn.workdir.endings import is_evaluation_of
from jaxcnn.workdir.run_files import DIVERGED, TEST_EVALUATION
from jaxcnn.workdir.schemas import Row

# the fields that a config needs, and the message about a config without them
_NEEDED = dict.fromkeys(
    ("seed", "validation", "test_with", "model", "dataset"), "is not the config of a run"
)


@dataclasses.dataclass(frozen=True)
class SavedRun:
    """The files in a run's folder.

    Attributes:
      folder: as the user named it.
      config: the resolved config, nested.
      rows: the rows of the metrics, in order.
      result: the content of `result.json`; None if the run has not finished.
      evaluation: the content of `evaluation/test.json`; empty if the run was not
        evaluated, or with other weights than those of the result.
      environment: the content of `environment.json`; empty without the file.
      data: the content of `dataset.json`; empty without the file.
      provenance: the content of `provenance.json`, which a queue of runs may write: the commit of
        the code. Older code does not record it in `environment.json`.
      is_diverged: whether the run is a member of a population whose loss was not finite.
    """

    folder: Path
    config: dict[str, Any]
    rows: list[Row]
    result: dict[str, Any] | None
    evaluation: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any] = dataclasses.field(default_factory=dict)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    is_diverged: bool = False

    @property
    def network(self) -> str:
        """The name of the run's network."""
        return self.config["model"]["name"]

    @property
    def dataset(self) -> str:
        """The run's dataset, and its label set and classes where the config names them.

        An example is `cifar100, coarse labels, 5 classes`.
        """
        config, dataset = self.config, self.config["dataset"]
        labels = f"{label_set} labels" if (label_set := dataset.get("label_set")) else ""
        return ", ".join(filter(None, (dataset["name"], labels, protocol.chosen_classes(config))))

    def fingerprint(self, view: str) -> str:
        """Return the digest of the "train", "validation" or "test" examples; "" if unknown."""
        digests = self.data.get("split_fingerprints")
        return str(digests.get(view, "")) if isinstance(digests, dict) else ""

    def num_images(self, view: str) -> int | None:
        """Return the number of "train", "validation" or "test" examples; None if unknown."""
        counts = self.data.get("num_examples") or {}
        tested = self.evaluation.get("num_examples") if view == "test" else None
        return tested or counts.get(view)

    @functools.cached_property
    def answers(self) -> Answers:
        """The answers on the test images, read from the predictions of a finished run."""
        return read_answers(self.folder, (self.result or {})["test_accuracy"])

    @property
    def seconds_per_epoch(self) -> float | None:
        """The time of an epoch's training at the median speed, without evaluation; None if unknown.

        The seconds of an epoch that was resumed or cut short are those of a part.
        """
        speeds = series(self.rows, "train", "images_per_second").values()
        images = self.num_images("train")
        if speeds and images and not self.config.get("steps_per_epoch"):
            return images / statistics.median(speeds)
        seconds = [s for s in series(self.rows, "train", "seconds").values() if s > 0]
        return statistics.median(seconds) if seconds else None

    @property
    def epochs_done(self) -> int:
        """The number of epochs that the run has recorded."""
        return max((row["epoch"] for row in self.rows), default=0)

    @property
    def state(self) -> str:
        """The progress of a run that has not finished, such as "unfinished, 7 of 50 epochs"."""
        state = "diverged" if self.is_diverged else "unfinished"
        return f"{state}, {self.epochs_done} of {self.config.get('num_epochs', '?')} epochs"

    @property
    def version(self) -> str:
        """The version of the run's code; "" if unknown."""
        older = self.environment.get("versions", {}).get("jaxcnn", "")
        return self.environment.get("code", {}).get("version", older)

    @property
    def commit(self) -> str:
        """The commit of the run's code, followed by "modified" if it was; "" if unknown."""
        code = self.environment.get("code") or self.provenance
        return code.get("commit", "") + ", modified" * bool(code.get("modified"))

    @property
    def is_test_in_sight(self) -> bool:
        """True if the test split served as validation split."""
        return protocol.is_test_in_sight(self.config)

    @property
    def is_tuned_on_test(self) -> bool:
        """True if the recipe was chosen by test accuracies."""
        return protocol.is_tuned_on_test(self.config)

    def class_metrics(self, kind: str = "classes") -> dict[str, dict[str, float]]:
        """Return the test metrics of the "classes" or "superclasses" by name; empty without any.

        The metrics are "accuracy", "precision", "recall", "f1", "support".
        """
        return {row["name"]: row for row in self.evaluation.get(kind, ())}


def read_runs(folders: Iterable[str | Path]) -> tuple[list[SavedRun], list[str]]:
    """Read the runs in the folders; a population's folder stands for its members.

    Returns:
      The runs, each folder once; and a line for each folder or file that was left out.

    Raises:
      UserError: a folder does not exist, or none of them holds a run.
    """
    runs, left_out, seen = [], [], set()
    folders = [Path(folder) for folder in folders]
    for folder in folders:
        if not folder.exists():
            raise UserError(f"{folder}: there is no such folder; name the folders of runs")
    for folder in itertools.chain.from_iterable(map(_members_of, folders)):
        if folder.resolve() in seen:
            left_out.append(f"{folder}: named twice, counted once")
            continue
        seen.add(folder.resolve())
        try:
            run, lines = _read_run(folder)
        except UserError as error:
            left_out.append(str(error))
        else:
            runs.append(run)
            left_out += lines
    if not runs:
        raise UserError(f"nothing to compare: {'; '.join(left_out) or 'no folder is named'}")
    return runs, left_out


def _members_of(folder: Path) -> list[Path]:
    """Return the folders of a population's members, or the folder of a run."""
    members = sorted(folder.glob("members/[0-9]*"))
    return [folder] if (folder / "config.json").exists() or not members else members


def _read_run(folder: Path) -> tuple[SavedRun, list[str]]:
    """Return a run, and a line for each of its files that could not be read."""
    if not (folder / "config.json").exists():
        raise UserError(f"{folder}: holds no run: there is no config.json")
    run_files.refuse_links(folder)
    config = run_files.read_part(folder, "config.json", _NEEDED)
    lines = []

    def read(reader: Callable[[], Any], default: Any) -> Any:
        try:
            return reader()
        except UserError as error:
            lines.append(f"{error}; the rest of the run is shown")
            return default

    result = run_files.read_part_if_there(
        folder, "result.json", {"test_accuracy": "has no test accuracy"}
    )
    rows = read(lambda: metrics_log.read_checked_metrics(folder, result), [])
    evaluation = read(lambda: run_files.read_part_if_there(folder, TEST_EVALUATION) or {}, {})
    if not is_evaluation_of(evaluation, result or {}):
        lines.append(f"{folder / TEST_EVALUATION}: is of other weights than the result; left out")
        evaluation = {}
    if "classes" in evaluation:
        evaluation.setdefault("balanced_accuracy", balanced_accuracy(evaluation["classes"]))
    environment = read(lambda: run_files.read_part(folder, "environment.json"), {})
    data = read(lambda: run_files.read_part_if_there(folder, "dataset.json") or {}, {})
    origin = read(lambda: run_files.read_part_if_there(folder, "provenance.json") or {}, {})
    diverged = (folder / DIVERGED).exists()
    run = SavedRun(folder, config, rows, result, evaluation, environment, data, origin, diverged)
    return run, lines

"""Finished and unfinished runs, read back from the files in their folders."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxcnn.config.published import publication_of
from jaxcnn.errors import UserError
from jaxcnn.evaluation.balance import balanced_accuracy
from jaxcnn.reporting import protocol
from jaxcnn.workdir import metrics_log, run_files
from jaxcnn.workdir.run_files import TEST_EVALUATION
from jaxcnn.workdir.run_tables import Row

_NEEDED = dict.fromkeys(
    ("seed", "validation", "test_with", "model", "dataset"), "is not the config of a run"
)


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run left in its folder.

    Attributes:
      folder: as the user named it.
      config: the resolved config, nested.
      rows: of its metrics, in order.
      result: what result.json holds; None: the run has not finished.
      evaluation: what evaluation/test.json holds; empty where the run was not evaluated.
      environment: versions, devices, command; empty where there is no such file.
      data: what dataset.json holds of the run's data; empty where there is no such file.
    """

    folder: Path
    config: dict[str, Any]
    rows: list[Row]
    result: dict[str, Any] | None
    evaluation: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def network(self) -> str:
        """The name of its network."""
        return self.config["model"]["name"]

    @property
    def dataset(self) -> str:
        """Its dataset, with the label set where it has several: `cifar100, coarse labels`."""
        dataset = self.config["dataset"]
        labels = dataset.get("label_set")
        return f"{dataset['name']}, {labels} labels" if labels else dataset["name"]

    def fingerprint(self, view: str) -> str:
        """The digest of its "train", "validation" or "test" examples; empty where it is unknown."""
        digests = self.data.get("split_fingerprints")
        return str(digests.get(view, "")) if isinstance(digests, dict) else ""

    @property
    def publication(self) -> str:
        """The publication whose recipe it follows; "" for none."""
        return publication_of(self.config, self.environment)

    @property
    def is_test_in_sight(self) -> bool:
        """Whether the test split served as validation split."""
        return protocol.is_test_in_sight(self.config)

    @property
    def is_tuned_on_test(self) -> bool:
        """Whether its recipe was chosen by test accuracies."""
        return protocol.is_tuned_on_test(self.config)

    def class_scores(self, kind: str = "classes") -> dict[str, dict[str, float]]:
        """Name → "accuracy", "precision", "recall", "f1", "support", of the "classes" or the
        "superclasses"; empty where there are none."""
        return {row["name"]: row for row in self.evaluation.get(kind, ())}


def read_runs(folders: Iterable[str | Path]) -> tuple[list[Run], list[str]]:
    """Reads the runs in the folders.

    Returns:
      The runs, each folder once; and a line for each folder, or part of one, that was left out.

    Raises:
      UserError: there is no such folder, or none of them holds a run.
    """
    runs, left_out, seen = [], [], set()
    folders = [Path(folder) for folder in folders]
    for folder in folders:
        if not folder.exists():
            raise UserError(f"{folder}: there is no such folder; name the folders of runs")
    for folder in folders:
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


def _read_run(folder: Path) -> tuple[Run, list[str]]:
    """One run, and what of it could not be read."""
    if not (folder / "config.json").exists():
        raise UserError(f"{folder}: holds no run: there is no config.json")
    run_files.refuse_links(folder)
    config = run_files.read_part(folder, "config.json", _NEEDED)
    lines = []

    def read(reader: Any, nothing: Any) -> Any:
        try:
            return reader()
        except UserError as error:
            lines.append(f"{error}; the rest of the run is shown")
            return nothing

    result = run_files.read_part_if_there(
        folder, "result.json", {"test_accuracy": "has no test accuracy"}
    )
    rows = read(lambda: metrics_log.read_own_metrics(folder, result), [])
    evaluation = read(lambda: run_files.read_part_if_there(folder, TEST_EVALUATION) or {}, {})
    if "classes" in evaluation:
        evaluation.setdefault("balanced_accuracy", balanced_accuracy(evaluation["classes"]))
    environment = read(lambda: run_files.read_part(folder, "environment.json"), {})
    data = read(lambda: run_files.read_part_if_there(folder, "dataset.json") or {}, {})
    return Run(folder, config, rows, result, evaluation, environment, data), lines

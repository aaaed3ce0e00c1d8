"""The result of a run, as `jaxcnn.train` returns it."""

import dataclasses
import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcnn.evaluation.trained import Trained, load_trained
from jaxcnn.files.paths import below
from jaxcnn.reporting.figures.curves import draw_curves
from jaxcnn.reporting.terminal.console import result_lines
from jaxcnn.text import printable
from jaxcnn.workdir import epochs
from jaxcnn.workdir.metrics_log import read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The result of a run that has ended.

    Attributes:
      workdir: the run's folder, an absolute path.
      values: the content of its `result.json` at this end.
      config: its config at this end, as nested dicts.
    """

    workdir: Path
    values: dict[str, Any]
    config: dict[str, Any]

    @property
    def accuracy(self) -> float:
        """The test accuracy, a fraction."""
        return self.values["test_accuracy"]

    @property
    def loss(self) -> float:
        """The test loss."""
        return self.values["test_loss"]

    @functools.cached_property
    def history(self) -> list[dict[str, Any]]:
        """A row for each epoch, which `pandas.DataFrame(result.history)` takes.

        The columns are `epoch` (from 1 on), `step`, `train_loss`, `train_accuracy`,
        `validation_loss`, `validation_accuracy`, `learning_rate`, `seconds` and
        `images_per_second`. A number that was not finite is None.
        """
        return epochs.history(self._rows())

    @functools.cached_property
    def figures(self) -> dict[str, "Figure"]:
        """The curves as matplotlib figures by name.

        The names are `accuracy`, `loss`, `learning_rate`, `difference_accuracy` and
        `difference_loss`; the differences are training minus validation.
        """
        return dict(draw_curves(self._rows(), self.values, self.config))

    @functools.cached_property
    def trained(self) -> Trained:
        """The trained network, as `jaxcnn.load(workdir)` gives it."""
        return load_trained(self.workdir)

    def _rows(self) -> list[dict[str, Any]]:
        """Return the rows of `metrics.jsonl` until this end; the run may have gone on since."""
        steps = self.values.get("steps", math.inf)
        return [row for row in read_metrics(self.workdir) if row["step"] <= steps]

    def __repr__(self) -> str:
        lines = [f"  {name:<15}{text}" for name, text in result_lines(self.values, self.config)]
        folder = below(self.workdir, Path.cwd())
        return "\n".join([f"Result of {printable(str(folder))}", *lines])

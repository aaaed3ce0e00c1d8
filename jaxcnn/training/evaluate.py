"""Exact evaluation: every example of a view counts once."""

import math

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data import feed
from jaxcnn.data.counts import likeliest
from jaxcnn.training.class_metrics import class_balanced_metrics
from jaxcnn.training.parallel import wait_for
from jaxcnn.training.run import Run
from jaxcnn.training.state import TrainState


def further_metrics(config: ConfigDict) -> tuple[str, ...]:
    """Return the metrics by which a config judges epochs, beside accuracy and loss."""
    named = dict.fromkeys((config.best_metric, config.early_stopping.metric))
    return tuple(name for name in named if name not in ("accuracy", "loss"))


def evaluate(run: Run, state: TrainState, view: str) -> dict[str, float]:
    """Return the mean `loss` and the `accuracy` (a fraction) of a view.

    The loss includes the L2 terms, as in training. Validation has the metrics of `further_metrics`
    as well.

    Args:
      run: ready to train.
      state: the state whose `evaluated_params` are evaluated.
      view: "train", "validation" or "test".
    """
    names = further_metrics(run.plan.config) if view == "validation" else ()
    sums = run.zero_eval_sums()
    if names:
        sums |= _no_scores(run, view)
    for data, order, _ in run.eval_feed(view):
        previous = sums
        sums = run.eval_step(sums, state.evaluated_params, state.batch_stats, data, order)
        wait_for(previous, run.plan.streams)
    totals = jax.device_get(run.add_up(sums))
    return to_means(totals) | _further(run, view, totals, names)


def _no_scores(run: Run, view: str) -> dict[str, jax.Array]:
    """Return `scores` (devices, examples, num_classes) of zeros, which the steps fill."""
    devices, steps, width = run.eval_order_on_host(view).shape
    shape = (steps * devices * width, run.dataset.num_classes)
    own_devices = len(run.plan.mesh.local_devices)
    return feed.put_share({"scores": np.zeros((own_devices, *shape), np.float32)}, run.plan.mesh)


def _further(
    run: Run, view: str, totals: dict[str, np.ndarray], names: tuple[str, ...]
) -> dict[str, float]:
    """Return the metrics of these names from the scores of all devices."""
    if not names:
        return {}
    counts = run.eval_order_on_host(view).swapaxes(0, 1).reshape(-1) >= 0
    rows = run.plan.views[view]
    labels = run.dataset.splits[rows.split].labels[rows.indices]
    metrics = class_balanced_metrics(likeliest(labels), totals["scores"][counts])
    return {name: metrics[name] for name in names}


def to_means(sums: dict) -> dict[str, float]:
    """Return mean `loss` and `accuracy` from the sums `loss`, `correct` and `count`.

    The means are NaN where no example counts, as in an epoch of skipped steps.
    """
    count = float(sums["count"]) or math.nan
    return {"loss": float(sums["loss"]) / count, "accuracy": float(sums["correct"]) / count}

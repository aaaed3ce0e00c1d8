"""Exact evaluation: every example of a view counts once."""

import jax

from jaxcnn.training.parallel import wait_for
from jaxcnn.training.run import Run
from jaxcnn.training.state import TrainState


def evaluate(run: Run, state: TrainState, view: str) -> dict[str, float]:
    """Return the mean `loss` and the `accuracy` (a fraction) of a view.

    The loss includes the L2 terms, as in training.

    Args:
      run: ready to train.
      state: the state whose `evaluated_params` are evaluated.
      view: "train", "validation" or "test".
    """
    sums = run.zero_eval_sums()
    for data, order, _ in run.eval_feed(view):
        previous = sums
        sums = run.eval_step(sums, state.evaluated_params, state.batch_stats, data, order)
        wait_for(previous, run.plan.streams)
    return to_means(jax.device_get(run.add_up(sums)))


def to_means(sums: dict) -> dict[str, float]:
    """Return mean `loss` and `accuracy` from the sums `loss`, `correct` and `count`."""
    count = max(float(sums["count"]), 1.0)
    return {"loss": float(sums["loss"]) / count, "accuracy": float(sums["correct"]) / count}

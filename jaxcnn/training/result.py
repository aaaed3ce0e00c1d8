"""The test at the end of a run: whose weights, and what they score."""

from collections.abc import Callable
from typing import Any

from jaxcnn.process import group
from jaxcnn.training.evaluate import evaluate
from jaxcnn.training.plan import Plan
from jaxcnn.training.run import Run
from jaxcnn.training.state import TrainState
from jaxcnn.training.timing import images_per_second
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.position import Position
from jaxcnn.workdir.progress import Progress


def choose_weights(
    run: Run,
    last: TrainState,
    checkpoints: Checkpoints,
    progress: Progress,
    warn: Callable[[str], None],
) -> tuple[TrainState, str]:
    """Return the state that `test_with` names, and which it is: "best" or "last".

    It is the last one, too, where no epoch was finished, or where the best checkpoint is lost.
    """
    best_step = progress.best_step
    if run.plan.config.test_with == "last" or not best_step:
        return last, "last"
    if best_step == int(last.step):
        return last, "best"
    try:
        return checkpoints.restore(best_step, last)[0], "best"
    except Exception as error:  # damage can raise anything; or it went with a later one's
        group.end_if_lost(error)
        warn(f"the best checkpoint, {best_step}, is lost: testing the last")
        return last, "last"


def test_scores(run: Run, state: TrainState, progress: Progress) -> dict[str, float]:
    """Return the test split's `loss` and `accuracy`."""
    if run.plan.config.validation == "test":  # evaluated as validation just before
        return {"loss": progress.last_loss, "accuracy": progress.last_accuracy}
    return evaluate(run, state, "test")


def describe_training(plan: Plan, progress: Progress, position: Position) -> dict[str, Any]:
    """Return what `result.json` holds of a training that ended at a position."""
    return {
        "best_epoch": progress.best_epoch,  # 0: no epoch was finished
        "best_validation_accuracy": progress.best_accuracy if progress.best_epoch else None,
        "last_validation_accuracy": progress.last_accuracy,
        "num_epochs": position.epoch,
        "steps": position.step,
        "epochs_without_gain": progress.epochs_without_gain,
        "resumed": [done for done in progress.resumed if done < position.epochs],
        "images_per_second": images_per_second(progress.train_images, progress.train_seconds),
        "parameters": plan.network.parameters,
        "flops": plan.network.flops,
        "seed": plan.config.seed,
    }

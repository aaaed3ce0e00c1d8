"""The test at the end of a run: whose weights, and what they score."""

from collections.abc import Callable
from typing import Any

from jaxcnn.models import summary
from jaxcnn.process import group
from jaxcnn.training.evaluate import evaluate
from jaxcnn.training.run import Run
from jaxcnn.training.state import TrainState
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.progress import Progress, images_per_second


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
    if run.config.test_with == "last" or not best_step:
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
    if run.config.validation == "test":  # scored as validation a moment ago
        return {"loss": progress.last_loss, "accuracy": progress.last_accuracy}
    return evaluate(run, state, "test")


def describe_training(run: Run, progress: Progress, step: int) -> dict[str, Any]:
    """Return what `result.json` holds of a run's training, which ended after `step`."""
    network, steps = summary(run.model), run.steps_per_epoch
    position = progress.position(step, steps)
    return {
        "best_epoch": progress.best_epoch,  # 0: no epoch was finished
        "best_validation_accuracy": progress.best_accuracy if progress.best_epoch else None,
        "last_validation_accuracy": progress.last_accuracy,
        "num_epochs": progress.epoch_at(step, steps),
        "steps": step,
        "epochs_without_gain": progress.epochs_without_gain,
        "resumed": [done for done in progress.resumed if done < position],
        "images_per_second": images_per_second(progress.train_images, progress.train_seconds),
        "parameters": network.parameters,
        "flops": network.flops,
        "seed": run.config.seed,
    }

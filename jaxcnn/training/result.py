"""The result of a run: which weights are tested, their scores, and the content of `result.json`."""

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


def _choose_weights(
    run: Run,
    last: TrainState,
    checkpoints: Checkpoints,
    progress: Progress,
    warn: Callable[[str], None],
) -> tuple[TrainState, str]:
    """Return the state that `config.test_with` selects, and its name: "best" or "last".

    The last state is tested as well where no epoch was finished, or the best checkpoint is lost.

    Args:
      run: ready to train.
      last: the state after the last step.
      checkpoints: of the run's folder.
      progress: of the run.
      warn: called with a message if the best checkpoint is lost.
    """
    best_step = progress.best_step
    if run.plan.config.test_with == "last" or not best_step:
        return last, "last"
    if best_step == int(last.step):
        return last, "best"
    try:
        return checkpoints.restore(best_step, last)[0], "best"
    except Exception as error:  # a damaged checkpoint can raise anything
        group.end_if_lost(error)
        warn(f"the best checkpoint, {best_step}, cannot be read: the last weights are tested")
        return last, "last"


def score_test_split(
    run: Run,
    last: TrainState,
    checkpoints: Checkpoints,
    progress: Progress,
    warn: Callable[[str], None],
) -> tuple[dict[str, float], str]:
    """Return the test split's `loss` and `accuracy` (a fraction), and the tested weights.

    The weights are "best" or "last", see `_choose_weights`, which takes the same arguments.
    """
    state, tested_with = _choose_weights(run, last, checkpoints, progress, warn)
    if run.plan.config.validation == "test":  # just evaluated, as the validation split
        return {"loss": progress.last_loss, "accuracy": progress.last_accuracy}, tested_with
    return evaluate(run, state, "test"), tested_with


def describe_training(
    plan: Plan, progress: Progress, position: Position, ended: str
) -> dict[str, Any]:
    """Return the fields of `result.json` about a training that ended at a position.

    Args:
      plan, progress, position: of the run.
      ended: the reason, see `Stopping.reason`.
    """
    hook = {"hook_epochs": progress.hook_epochs, "hook_reason": progress.hook_reason}
    return {
        "ended": ended,
        **(hook if ended == "hook" else {}),
        "best_epoch": progress.best_epoch,  # 0: no epoch was finished
        "best_validation_accuracy": progress.best_accuracy if progress.best_epoch else None,
        **({"best_validation_metrics": progress.best_metrics} if progress.best_metrics else {}),
        "last_validation_accuracy": progress.last_accuracy,
        "num_epochs": position.epoch,
        **({"phases": progress.phases} if len(progress.phases) > 1 else {}),
        "steps": position.step,
        "epochs_without_gain": progress.epochs_without_gain,
        "resumed": [epochs for epochs in progress.resumed if epochs < position.epochs],
        "images_per_second": images_per_second(progress.train_images, progress.train_seconds),
        "parameters": plan.network.parameters,
        "flops": plan.network.flops,
        "seed": plan.config.seed,
    }

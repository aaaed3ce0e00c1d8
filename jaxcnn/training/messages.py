"""What a run says of its steps, and what may help of what its config does not have yet."""

from ml_collections import ConfigDict

MAX_SKIPPED = 10  # bad steps in an epoch before a run that skips them gives up


def other_batches(before: int, now: int, again: int) -> str:
    """Say that the size of the batches changes in mid-run; `again` examples are seen twice."""
    text = f"batches of {now} in place of {before}: the epoch goes on at the same example"
    return text + (f" less {again}, which are seen again" if again else "")


def skipped_steps(count: int, first: int, rate_scale: float) -> str:
    """Say how many steps of an epoch were not finite, and what became of the learning rate."""
    return (
        f"{count} {'steps' if count > 1 else 'step'} skipped, step {first} the first: not finite; "
        f"the learning rate is {rate_scale:g} times the schedule's from here on"
    )


def not_finite(
    config: ConfigDict, step: int, rate: float, gradient_norm: float, saved: int | None
) -> str:
    """Say that the loss is not finite, where a run goes on, and what may help."""
    given_up = ""
    if config.optimizer.skip_bad_steps:
        given_up = f"; a run skips at most {MAX_SKIPPED} such steps in an epoch"
    kept = "there is no checkpoint" if saved is None else f"the last good checkpoint is {saved}"
    return (
        f"the loss is not finite at step {step} (learning rate {rate:.3g}, gradient norm of "
        f"the last finite step {gradient_norm:.3g}){given_up}; {kept}; {against_divergence(config)}"
    )


def against_divergence(config: ConfigDict) -> str:
    """Say what may help where the loss is not finite."""
    optimizer, helps = config.optimizer, []
    if optimizer.learning_rate > 0:
        helps.append("a lower config.optimizer.learning_rate")
    if optimizer.gradient_clip > 0:
        helps.append(f"config.optimizer.gradient_clip below {optimizer.gradient_clip:g}")
    else:
        helps.append("config.optimizer.gradient_clip")
    if config.precision != "float32":
        helps.append("config.precision=float32")
    if not optimizer.skip_bad_steps:
        helps.append("config.optimizer.skip_bad_steps=True")
    *first, last = helps
    return f"{', '.join(first)} or {last} may help" if first else f"{last} may help"


def later_weights(config: ConfigDict) -> str:
    """Say that early stopping leaves the last weights worse than the best; "" where it does not."""
    patience = config.early_stopping.patience
    if not patience or config.test_with != "last":
        return ""
    instead = "config.test_with=best tests the best epoch's"
    if config.validation == "test":  # which may not choose the weights that it tests
        instead = "config.validation=holdout with config.test_with=best tests the best epoch's"
    return (
        f"early stopping ends the run once the validation loss has been higher for {patience} "
        f"{'epochs' if patience > 1 else 'epoch'}, and config.test_with = 'last' tests the weights "
        f"of then; {instead}"
    )

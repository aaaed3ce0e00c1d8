"""Messages about a run's steps, with advice that fits its config."""

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten
from jaxcnn.config.parts import used_parts
from jaxcnn.config.phases import phases_of
from jaxcnn.text import join_names
from jaxcnn.workdir.endings import gain_in_words
from jaxcnn.workdir.phases import patience_of

MAX_SKIPPED = 10  # bad steps in an epoch, after which a run that skips them ends


def batch_size_changed(before: int, now: int, repeated: int) -> str:
    """Return the message that the batch size changes within an epoch.

    Args:
      before: examples per step so far.
      now: examples per step from here on.
      repeated: examples of the epoch that are seen twice.
    """
    place = "at the same example"
    if repeated:
        place = f"{repeated} examples earlier, which are seen again"
    return f"batches of {now} in place of {before}: the epoch goes on {place}"


def steps_skipped(count: int, first: int, rate_scale: float) -> str:
    """Return the message that steps of an epoch were skipped.

    Args:
      count: the number of skipped steps.
      first: the first of them.
      rate_scale: the factor of the learning rate from here on.
    """
    steps = "1 step was" if count == 1 else f"{count} steps were"
    return (
        f"{steps} skipped, first step {first}: loss or gradient not finite; the learning rate is "
        f"{rate_scale:g} times the schedule's from here on"
    )


def stopped(step: int) -> str:
    """Return the message that a run was stopped and saved after a step."""
    return f"stopped and saved at step {step}; the same command resumes there"


def not_finite(
    config: ConfigDict,
    step: int,
    rate: float,
    gradient_norm: float,
    saved: int | None,
    num_steps: int,
) -> str:
    """Return the message that the loss is not finite.

    Args:
      config: the run's config.
      step: the first step whose loss or gradient is not finite.
      rate: its learning rate.
      gradient_norm: the gradient's norm at the last finite step.
      saved: the step of the newest checkpoint, from which the run can resume; None for none.
      num_steps: finished steps of the run.
    """
    limit = ""
    if config.optimizer.skip_bad_steps:
        limit = f"; a run skips at most {MAX_SKIPPED} such steps in an epoch"
    if parts := [p for p in used_parts(flatten(config)) if p.kind not in ("dataset", "metric")]:
        limit += f"; your own {join_names(parts)} may cause it"
    kept = "there is no checkpoint" if saved is None else f"the last good checkpoint is {saved}"
    # it was saved before its validation, at the end of a run within an epoch
    if saved == num_steps:
        kept = f"checkpoint {saved} holds such weights: delete it to go on from the one before"
    return (
        f"the loss is not finite at step {step} (learning rate {rate:.3g}, gradient norm of "
        f"the last finite step {gradient_norm:.3g}){limit}; {kept}; {_against_divergence(config)}"
    )


def _against_divergence(config: ConfigDict) -> str:
    """Return advice against a loss that is not finite; it leaves out what the config has."""
    optimizer, remedies = config.optimizer, []
    if optimizer.learning_rate > 0:
        remedies.append("a lower config.optimizer.learning_rate")
    if optimizer.gradient_clip > 0:
        remedies.append(f"config.optimizer.gradient_clip below {optimizer.gradient_clip:g}")
    else:
        remedies.append("config.optimizer.gradient_clip")
    if config.precision != "float32":
        remedies.append("config.precision=float32")
    if not optimizer.skip_bad_steps:
        remedies.append("config.optimizer.skip_bad_steps=True")
    *others, last = remedies
    return f"try {', '.join(others)} or {last}" if others else f"try {last}"


def last_weights_tested(config: ConfigDict) -> str:
    """Return a warning if a run looks for the best epoch and tests the last weights; else ""."""
    patience = patience_of(config, phases_of(config)[-1])
    looks_for_the_best = patience or config.best_metric != "accuracy"
    if config.test_with != "last" or not looks_for_the_best:
        return ""
    remedy = "config.test_with=best"
    if config.validation == "test":  # the test split must not choose the weights that it tests
        remedy = f"config.validation=holdout with {remedy}"
    if not patience:
        return (
            f"config.best_metric = {config.best_metric!r} chooses the best epoch, and "
            f"config.test_with = 'last' tests the last weights; {remedy} tests those of the best "
            "epoch"
        )
    gain = gain_in_words(config.early_stopping.metric)
    return (
        f"early stopping ends the run after {patience} {'epochs' if patience > 1 else 'epoch'} "
        f"without a {gain}, and config.test_with = 'last' tests the last weights; {remedy} "
        "tests those of the best epoch"
    )

"""A trial of the user's parts on a few numbers, so that a mistake ends a run before it starts."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.config.parts import REGISTRIES
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.extra import make_extra
from jaxcnn.optim.losses import LOSSES
from jaxcnn.optim.schedules import SCHEDULES

_EXAMPLES = 8


def try_parts(config: ConfigDict, dataset: Dataset, steps_per_epoch: int, num_steps: int) -> None:
    """Call the user's loss, schedule and augmentations of a config once.

    Args:
      config: the checked config.
      dataset: augmentations are tried on some of its training images.
      steps_per_epoch: training steps of an epoch.
      num_steps: training steps of the whole run.

    Raises:
      UserError: a part has an error, or returns NaN, infinity, or another shape or dtype.
    """
    if config.loss.name in LOSSES.parts:
        _try_loss(config.loss.name, dataset.num_classes)
    if config.schedule.name in SCHEDULES.parts:
        _try_schedule(config, steps_per_epoch, num_steps)
    for name in config.augment.extra:
        _try_augmentation(name, dataset.splits["train"].images[:_EXAMPLES])


def _try_loss(name: str, num_classes: int) -> None:
    """Compute the losses of random scores and their gradient, for one-hot targets."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(_EXAMPLES, num_classes)).astype(np.float32)
    targets = np.eye(num_classes, dtype=np.float32)[np.arange(_EXAMPLES) % num_classes]

    def total(scores: jax.Array) -> tuple[jax.Array, jax.Array]:
        losses = LOSSES[name](scores, jnp.asarray(targets))
        return losses.sum(), losses

    gradients, losses = _compute("loss", name, jax.grad(total, has_aux=True), scores)
    _refuse_not_finite("loss", name, losses, "for one-hot targets")
    _refuse_not_finite("loss", name, gradients, "as the gradient for one-hot targets")


def _try_schedule(config: ConfigDict, steps_per_epoch: int, num_steps: int) -> None:
    """Compute the factor of the first, a middle, and the last step."""
    name = config.schedule.name
    factor = SCHEDULES[name](
        config.schedule,
        learning_rate=config.optimizer.learning_rate,
        steps_per_epoch=steps_per_epoch,
        num_steps=num_steps,
        warmup_steps=0,
    )
    for step in (0, num_steps // 2, num_steps - 1):
        value = _compute("schedule", name, factor, np.int32(step))
        _refuse_not_finite("schedule", name, value, f"at step {step} of {num_steps}")


def _try_augmentation(name: str, images: np.ndarray) -> None:
    """Augment some training images."""
    keys = jax.random.split(jax.random.key(0), len(images))
    augmented = _compute("augmentation", name, make_extra(name), images.astype(np.float32), keys)
    _refuse_not_finite("augmentation", name, augmented, "for a training image")


def _compute(kind: str, name: str, function: Callable, *arguments: Any) -> Any:
    """Return the results of a compiled function, on the host."""
    with REGISTRIES[kind].parts[name].naming():
        return jax.device_get(jax.jit(function)(*arguments))


def _refuse_not_finite(kind: str, name: str, values: Any, where: str) -> None:
    values = np.asarray(values)
    if not np.isfinite(values).all():
        value = values[~np.isfinite(values)].flat[0]
        raise REGISTRIES[kind].parts[name].fault(f"gives {value} {where}")

"""The recipe of a step: network, optimizer, schedule, augmentation and their settings."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.data.augment import make_augment
from jaxcnn.data.counts import class_counts
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.scaling import Scaling, pixel_scaling
from jaxcnn.data.views import views_of
from jaxcnn.errors import UserError
from jaxcnn.nn.network import Network, split_model
from jaxcnn.optim.losses import LOSSES, Loss, balancing_weights, make_loss
from jaxcnn.optim.optimizers import is_kernel, make_optimizer
from jaxcnn.optim.schedules import make_schedule, scaled_rate
from jaxcnn.training.fine_tuning import FineTuning, fine_tuning_of, train_graph_of
from jaxcnn.training.trial import try_parts


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The constant parts of a step.

    Attributes:
      train_graph, eval_graph: the network without its arrays, for training and for evaluation.
      optimizer: from `make_optimizer`.
      schedule: maps a step to a factor of the learning rate.
      augment: from `make_augment`, or None.
      pixel_shift, pixel_scale: float32 (channels,) or (); the network's input is
        (pixels - pixel_shift) * pixel_scale.
      num_classes: number of classes.
      heads: how several heads combine, see `losses.losses_and_scores`.
      loss: of scores and targets.
      class_weights: float32 (num_classes,), the weight of an example in training by its class; None
        where all weigh the same.
      l2: factor of the sum of squared kernels in the loss; an array where it differs between the
        members of a population.
      ema_decay: decay of the parameters' moving average; 0 for none.
      accumulation_steps: number of parts in which a batch is computed.
      global_batch_norm: BatchNorm over the global batch, else over each device's part.
      dtype: the dtype of the computation.
      fine_tuning: the frozen parameters, and factors of the learning rate; None for none.
      skip_bad_steps: a step whose loss or gradient is not finite changes no weights, and halves
        the learning rate from then on.
    """

    train_graph: nnx.GraphDef
    eval_graph: nnx.GraphDef
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    augment: Callable | None
    pixel_shift: Scaling
    pixel_scale: Scaling
    num_classes: int
    heads: str = "prob_mix"
    loss: Loss = LOSSES["cross_entropy"]
    class_weights: np.ndarray | jax.Array | None = None
    l2: float | jax.Array = 0.0
    ema_decay: float = 0.0
    accumulation_steps: int = 1
    global_batch_norm: bool = True
    dtype: Any = jnp.float32
    fine_tuning: FineTuning | None = None
    skip_bad_steps: bool = False

    def scale(self, images: jax.Array) -> jax.Array:
        """Return the network's input for pixels 0 to 255, in float32 or better.

        Args:
          images: uint8 or float (batch, height, width, channels).
        """
        images = images.astype(jnp.promote_types(self.dtype, jnp.float32))
        return (images - self.pixel_shift) * self.pixel_scale

    def weights_of(self, targets: jax.Array, label_smoothing: jax.Array) -> jax.Array:
        """Return the weights of examples in the loss of training by their classes, (batch,).

        An example with several classes has the mean of their weights by its distribution before
        smoothing: the smoothed one would give examples of frequent classes more than their weight.

        Args:
          targets: float32 (batch, num_classes), after smoothing.
          label_smoothing: see `make_targets`.
        """
        weights = jnp.asarray(self.class_weights, targets.dtype)
        share = label_smoothing / targets.shape[1]
        return jnp.sum((targets - share) / (1 - label_smoothing) * weights, axis=1)

    def penalty(self, model: Network, params: dict) -> jax.Array:
        """Return the L2 term of the loss, float32 (): the network's own plus the config's."""
        penalty = model.penalty()
        if isinstance(self.l2, jax.Array) or self.l2:
            kernels = jax.tree.map(
                lambda p, k: jnp.sum(p * p) if k else 0.0, params, is_kernel(params)
            )
            penalty += self.l2 * sum(jax.tree.leaves(kernels))
        return penalty


def build_model(config: ConfigDict, dataset: Dataset, **options: Any) -> Network:
    """Return the network of a config for the images and classes of a dataset.

    Args:
      config: the checked config.
      dataset: the dataset, on the host.
      **options: `seed` or `abstract`, see `models.build`.

    Raises:
      UserError: the network does not take images of this size.
    """
    return models.build(
        **config.model,
        num_classes=dataset.num_classes,
        image_shape=dataset.image_shape,
        **options,
    )


def total_steps(config: ConfigDict, steps_per_epoch: int) -> int:
    """Return the training steps of a whole run: `num_steps`, or those of `num_epochs`."""
    return config.num_steps or config.num_epochs * steps_per_epoch


def check_num_steps(config: ConfigDict, steps_per_epoch: int) -> None:
    """Check `num_steps` against the steps of the run's epochs and of its warm-up.

    Raises:
      UserError: `num_steps` is more than the epochs have, or the warm-up takes all of them.
    """
    most, warmup = config.num_epochs * steps_per_epoch, config.schedule.warmup_epochs
    if config.num_steps > most:
        raise UserError(
            f"config.num_steps = {config.num_steps}: must be at most {most}, the steps of "
            f"config.num_epochs = {config.num_epochs}, or 0 for all of them"
        )
    if 0 < config.num_steps <= round(warmup * steps_per_epoch):
        raise UserError(
            f"config.schedule.warmup_epochs = {warmup}: takes {round(warmup * steps_per_epoch)} "
            f"steps; must take fewer than config.num_steps = {config.num_steps}"
        )


def augmentation_of(config: ConfigDict, dataset: Dataset, seed: int | jax.Array) -> Callable | None:
    """Return the augmentations of a config for the images of a dataset, see `make_augment`."""
    return make_augment(
        config.augment, seed=seed, fill=dataset.pixel_mean, deviation=dataset.pixel_std
    )


def class_weights_of(config: ConfigDict, dataset: Dataset) -> np.ndarray | None:
    """Return the weights of the classes, float32 (num_classes,); None where all weigh the same.

    Raises:
      UserError: the config gives another number of weights than the dataset has classes.
    """
    weighting, given = config.loss.class_weighting, config.loss.class_weights
    if weighting == "none":
        return None
    if weighting == "balanced":
        view = views_of(config, dataset)["train"]
        labels = dataset.splits[view.split].labels[view.indices]
        return balancing_weights(class_counts(labels, dataset.num_classes))
    if len(given) != dataset.num_classes:
        raise UserError(
            f"config.loss.class_weights: has {len(given)} weights, but {dataset.name} has "
            f"{dataset.num_classes} classes"
        )
    return np.array(given, np.float32)


def make_hyperparams(config: ConfigDict) -> dict[str, np.number]:
    """Return the settings that are arrays in the state, see `TrainState.hyperparams`."""
    return {
        "learning_rate": np.float32(scaled_rate(config.optimizer, config.global_batch_size)),
        "label_smoothing": np.float32(config.loss.label_smoothing),
        "seed": np.int32(config.seed),
    }


def make_recipe(
    config: ConfigDict, dataset: Dataset, model: Network, steps: int
) -> tuple[Recipe, dict[str, Any], dict[str, Any]]:
    """Return the recipe of a run's steps and the network's initial arrays.

    Args:
      config: the checked config.
      dataset: the dataset; the first convolution of some networks is fitted to its images.
      model: the network, initialized.
      steps: training steps of an epoch, for the schedule.

    Returns:
      The recipe, the parameters and the batch statistics, as nested dicts of float32 arrays.
    """
    try_parts(config, dataset, steps, total_steps(config, steps))
    train_graph, eval_graph, params, batch_stats = split_model(model)
    fine_tuning = fine_tuning_of(config, params)
    if config.optimizer.freeze:
        train_graph = train_graph_of(model, config)
    shift, scale = pixel_scaling(dataset, config.dataset.scaling)
    recipe = Recipe(
        train_graph=train_graph,
        eval_graph=eval_graph,
        optimizer=make_optimizer(
            config.optimizer, config.global_batch_size, total_steps(config, steps)
        ),
        schedule=make_schedule(
            config.schedule,
            learning_rate=scaled_rate(config.optimizer, config.global_batch_size),
            steps_per_epoch=steps,
            num_steps=total_steps(config, steps),
        ),
        augment=augmentation_of(config, dataset, config.seed),
        pixel_shift=shift,
        pixel_scale=scale,
        num_classes=dataset.num_classes,
        heads=config.loss.heads,
        loss=make_loss(config.loss),
        class_weights=class_weights_of(config, dataset),
        l2=config.loss.l2,
        ema_decay=config.optimizer.ema_decay,
        accumulation_steps=config.optimizer.accumulation_steps,
        global_batch_norm=config.batch_norm == "global",
        dtype=jnp.dtype(config.precision),
        fine_tuning=fine_tuning,
        skip_bad_steps=config.optimizer.skip_bad_steps,
    )
    train_images = dataset.splits["train"].images
    return recipe, params, model.fit(batch_stats, train_images, recipe.scale)

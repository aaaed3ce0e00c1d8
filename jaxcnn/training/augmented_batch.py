"""The first training batch as a config augments it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.order import make_order
from jaxcnn.data.views import views_of
from jaxcnn.errors import UserError
from jaxcnn.training.losses import make_targets
from jaxcnn.training.plan import refuse_open_batch_size
from jaxcnn.training.recipe import augmentation_of
from jaxcnn.training.step import random_keys


@dataclasses.dataclass(frozen=True)
class AugmentedBatch:
    """A training batch before and after augmentation.

    Attributes:
      before: uint8 (batch, height, width, channels).
      after: uint8 (batch, height, width, channels), rounded.
      targets: float32 (batch, num_classes), which mixup and cutmix mix.
    """

    before: np.ndarray
    after: np.ndarray
    targets: np.ndarray


def augmented_batch(config: ConfigDict, dataset: Dataset) -> AugmentedBatch:
    """Return the batch of a run's first step.

    Raises:
      UserError: the config has no augmentation.
    """
    refuse_open_batch_size(config)
    augment = augmentation_of(config, dataset, config.seed)
    if augment is None:
        raise UserError("--augmented: the config augments nothing; all of config.augment is off")
    view = views_of(config, dataset)["train"]
    split, sampling = dataset.splits[view.split], config.dataset.sampling
    order = make_order(view.indices, split.labels, config.seed, sampling)
    indices = order(0)[: config.global_batch_size]
    before = np.asarray(split.images[indices])
    labels = jnp.asarray(np.asarray(split.labels)[indices])
    key, _ = random_keys(config.seed, 0)
    images, targets = augment(
        jnp.asarray(before, jnp.float32),
        make_targets(labels, dataset.num_classes),
        keys=jax.vmap(jax.random.fold_in, (None, 0))(key, np.arange(len(indices))),
        batch_key=key,
        example_indices=jnp.asarray(indices),
        epoch=jnp.int32(0),
    )
    after = np.asarray(jnp.clip(jnp.round(images), 0, 255).astype(np.uint8))
    return AugmentedBatch(before, after, np.asarray(targets))

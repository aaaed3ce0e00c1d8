"""What the steps of a run are made of."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jaxcnn.training.optimizers import is_kernel


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What the step is made of; nothing here changes during a run.

    Attributes:
      train_graph, eval_graph: the network, without its arrays.
      optimizer: from `make_optimizer`.
      schedule: step → factor of the learning rate.
      augment: from `make_augment`, or None.
      pixel_shift, pixel_scale: float32 (channels,) or (); images are (pixels − shift) · scale.
      num_classes: classes.
      heads: how several heads combine.
      l2, ema_decay: as in the config; l2 applies to all kernels.
      accumulation_steps: parts in which a batch is computed.
      global_batch_norm: BatchNorm over the global batch, else over each device's part.
      dtype: of the computation.
      skip_bad_steps: where loss or gradient are not finite, change nothing but the learning rate,
        which is halved from then on.
    """

    train_graph: nnx.GraphDef
    eval_graph: nnx.GraphDef
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    augment: Callable | None
    pixel_shift: np.ndarray
    pixel_scale: np.ndarray
    num_classes: int
    heads: str = "prob_mix"
    l2: float = 0.0
    ema_decay: float = 0.0
    accumulation_steps: int = 1
    global_batch_norm: bool = True
    dtype: Any = jnp.float32
    skip_bad_steps: bool = False

    def scale(self, images: jax.Array) -> jax.Array:
        """Pixels 0…255 → what the network takes, in float32 or better."""
        images = images.astype(jnp.promote_types(self.dtype, jnp.float32))
        return (images - self.pixel_shift) * self.pixel_scale

    def penalty(self, model: nnx.Module, params: dict) -> jax.Array:
        """The L2 terms of the loss: the network's own and the config's."""
        penalty = model.penalty()
        if self.l2:
            kernels = jax.tree.map(
                lambda p, k: jnp.sum(p * p) if k else 0.0, params, is_kernel(params)
            )
            penalty += self.l2 * sum(jax.tree.leaves(kernels))
        return penalty

"""A network: its layers in order, and its arrays."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.nn.blocks import AuxHead, Sequential
from jaxcnn.nn.layer import Context, ImageSizeError, Scope, Shape


class Network(Sequential):
    """A classifier: layers, the image shape they are built for, and the number of classes.

    Its only variables are `nnx.Param` (float32) and `nnx.BatchStat` (float32).
    """

    def __init__(
        self,
        layers: list,
        *,
        name: str,
        num_classes: int,
        image_shape: Shape,
        seed: int = 0,
        abstract: bool = False,
    ):
        super().__init__(layers, name=name)
        self.num_classes, self.image_shape = num_classes, tuple(image_shape)
        shape = self.setup(self.image_shape, Scope(seed, abstract))
        heads = [layer.logits_shape for layer in self.children if isinstance(layer, AuxHead)]
        for logits in (*heads, shape):
            if logits != (num_classes,):
                raise ImageSizeError(f"its output is {logits}, not one logit per class")
        self.output_shape = shape

    def __call__(  # ty: ignore[incompatible-method-override]  no layer holds a network
        self,
        images: jax.Array,
        *,
        keys: jax.Array | None = None,
        mask: jax.Array | None = None,
        axis_name: str | None = None,
        dtype: jnp.dtype = jnp.float32,
        intermediates: dict[str, jax.Array] | None = None,
    ) -> jax.Array | dict[str, jax.Array]:
        """Classify a batch.

        Args:
          images: float (batch, height, width, channels).
          keys: (batch,) PRNG keys, one for each example; dropout needs them in training.
          mask: bool (batch,), True for the examples that count in BatchNorm's statistics; None
            if all count.
          axis_name: the mesh axis over which BatchNorm takes its statistics; None if each device
            takes its own.
          dtype: of the computation; parameters, statistics and logits are float32 in any case.
          intermediates: a dict to be filled with the output of each layer, by its path.

        Returns:
          Logits, float32 (batch, num_classes). A network with auxiliary heads returns a dict of
          logits by the heads' names; those of the last layer are called "main".
        """
        context = Context(keys, mask, axis_name, intermediates)
        logits = super().__call__(images.astype(dtype), context)
        outputs = {"main": logits, **context.heads} if context.heads else logits
        return jax.tree.map(lambda x: x.astype(jnp.promote_types(dtype, jnp.float32)), outputs)

    def fit(
        self, batch_stats: dict[str, Any], images: jax.Array | np.ndarray, scale: Callable
    ) -> dict[str, Any]:
        """Return the batch statistics with those of the first layer fitted to training images.

        Most networks begin with a layer that has nothing to fit. They return `batch_stats` as is.

        Args:
          batch_stats: the network's, by the names of its layers.
          images: uint8 (examples, height, width, channels).
          scale: function from pixels to the network's input.
        """
        first = self.children[0]
        if first.name not in batch_stats:
            return batch_stats
        return batch_stats | {first.name: first.fit(batch_stats[first.name], images, scale)}

    def penalty(self) -> jax.Array:
        """Return the L2 term of the loss: the sum of l2 * sum(kernel ** 2), a float32 scalar."""
        return jnp.asarray(super().penalty(), jnp.float32)


def split_model(model: nnx.Module) -> tuple[nnx.GraphDef, nnx.GraphDef, dict, dict]:
    """Split a network into two static graphs, for training and evaluation, and its arrays.

    Returns:
      train graph, eval graph, params, batch_stats; the last two are nested dicts of arrays.
    """
    model.eval()
    eval_graph = nnx.split(model, nnx.Param, nnx.BatchStat)[0]
    model.train()
    train_graph, params, batch_stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    return train_graph, eval_graph, nnx.to_pure_dict(params), nnx.to_pure_dict(batch_stats)

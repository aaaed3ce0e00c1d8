"""A network: its layers in order, and its arrays."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.errors import UserError
from jaxcnn.nn.blocks import AuxHead, Sequential
from jaxcnn.nn.context import Context, keys_of
from jaxcnn.nn.flax_module import FlaxModule, check_kind
from jaxcnn.nn.heads import to_scores
from jaxcnn.nn.layer import ImageSizeError, Layer, Scope, Shape
from jaxcnn.nn.layers import Dense
from jaxcnn.ops.batch_norm import widen


class Network(Sequential):
    """A classifier: layers, the image shape they are built for, and the number of classes.

    It is an `nnx.Module` whose only variables are `nnx.Param` and `nnx.BatchStat`, float32. It is
    built in training mode, as Flax has it; `model.eval()` and `model.train()` switch.
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
        for path, variable in nnx.to_flat_state(nnx.state(self)):
            check_kind(variable, ".".join(map(str, path[:-1])))
        heads = [layer.logits_shape for layer in self.children if isinstance(layer, AuxHead)]
        for logits in (*heads, shape):
            if logits != (num_classes,):
                raise ImageSizeError(
                    f"its output is {logits}, not one logit per class, ({num_classes},)"
                )
        self.output_shape = shape

    def __call__(  # ty: ignore[incompatible-method-override]  no layer holds a network
        self,
        images: jax.Array,
        *,
        key: jax.Array | None = None,
        heads: bool = False,
        keys: jax.Array | None = None,
        mask: jax.Array | None = None,
        axis_name: str | None = None,
        dtype: jnp.dtype = jnp.float32,
        intermediates: dict[str, jax.Array] | None = None,
        frozen: jax.Array | None = None,
    ) -> jax.Array | dict[str, jax.Array]:
        """Classify a batch.

        Args:
          images: float (batch, height, width, channels), scaled.
          key: one PRNG key, split into one per example; dropout needs it in training.
          heads: return the logits of each head.
          keys: (batch,) PRNG keys, one per example, in place of `key`.
          mask: bool (batch,), True for the examples that count in BatchNorm's statistics; None
            if all count.
          axis_name: the mesh axis over which BatchNorm takes its statistics; None if each device
            takes its own.
          dtype: of the computation. Parameters and statistics are float32 in any case, and so are
            the logits that are returned; below float32 they may hold rounded values.
          intermediates: a dict to be filled with the output of each layer, by its path.
          frozen: bool (), True while the BatchNorms with `is_frozen_at_first` normalize by their
            running averages; None if there are none.

        Returns:
          Logits, float32 (batch, num_classes); their softmax gives the probabilities. For a network
          with auxiliary heads they are the logarithm of the mix of the heads' probabilities, with
          weight 1 for the last layer and 0.3 for each auxiliary head. With `heads=True` a dict of
          the heads' logits by their names; those of the last layer are called "main".

        Raises:
          UserError: the images have another shape than the network's, or dropout has no key.
        """
        self._check(images)
        keys = keys_of(key, images) if keys is None else keys
        context = Context(keys, mask, axis_name, intermediates, frozen)
        x, auxiliary = self._run(self.children, images.astype(dtype), context)
        # in the order of the names, which decides how the sums over heads are rounded
        named = sorted(({"main": x} | auxiliary).items())
        outputs = {name: widen(logits) for name, logits in named}
        return outputs if heads else to_scores(outputs)

    def features(
        self,
        images: jax.Array,
        *,
        key: jax.Array | None = None,
        dtype: jnp.dtype = jnp.float32,
    ) -> jax.Array:
        """Return the input of the network's last dense layer, which makes the logits.

        Args:
          images: float (batch, height, width, channels), scaled.
          key: one PRNG key; dropout needs it in training.
          dtype: of the computation.

        Returns:
          float32 (batch, features).

        Raises:
          UserError: the last dense layer is no line of the network itself, or there is none; or
            `__call__` raises it.
        """
        self._check(images)
        last = self._last_dense()
        context = Context(keys_of(key, images))
        x, _ = self._run(self.children[:last], images.astype(dtype), context)
        return widen(x.reshape(len(x), -1))

    def _last_dense(self) -> int:
        """Return the place of the last dense layer; refuse one that stands inside another layer."""
        lines = self.children
        dense = [index for index, layer in enumerate(lines) if _holds_dense(layer)]
        if dense and _is_dense(lines[dense[-1]]):
            return dense[-1]
        reason = f"has its last dense layer inside {lines[dense[-1]].path}" if dense else ""
        raise UserError(
            f"{self.name} {reason or 'has no dense layer'}, so it has no features; "
            "intermediates={} gives the output of each layer"
        )

    def from_layer(
        self,
        images: jax.Array,
        path: str,
        *,
        dtype: jnp.dtype = jnp.float32,
    ) -> tuple[jax.Array, Callable[[jax.Array], dict[str, jax.Array]]]:
        """Return the output of a layer in the network's own list, and the network after it.

        Args:
          images: float (batch, height, width, channels), scaled.
          path: of the layer.
          dtype: of the computation.

        Returns:
          The output, and a function from such an output to the logits of each head, for these
          images.
        """
        self._check(images)
        index = [layer.path for layer in self.children].index(path) + 1
        x, before = self._run(self.children[:index], images.astype(dtype), Context())

        def rest(x: jax.Array) -> dict[str, jax.Array]:
            logits, auxiliary = self._run(self.children[index:], x, Context())
            named = sorted(({"main": logits} | before | auxiliary).items())
            return {name: widen(output) for name, output in named}

        return x, rest

    def _run(
        self, layers: list[Layer], x: jax.Array, context: Context
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return the output of the last of the layers, and the logits of the auxiliary heads."""
        auxiliary = {}
        for layer in layers:
            out = layer(x, **context.given())
            if isinstance(layer, AuxHead):
                auxiliary[layer.name] = out
            else:
                x = out
            context.record(layer.path, x)
        return x, auxiliary

    def set_view(
        self, deterministic: bool | None = None, use_running_average: bool | None = None
    ) -> None:
        """Accept the settings of `nnx.view`, also without a layer that takes them.

        Args:
          deterministic: if True, dropout is the identity.
          use_running_average: if True, BatchNorm's running averages take the place of the batch's
            statistics.
        """

    def _check(self, images: jax.Array) -> None:
        shape = getattr(images, "shape", ())
        if len(shape) != 4 or shape[1:] != self.image_shape:
            sizes = ", ".join(map(str, self.image_shape))
            raise UserError(
                f"{self.name} takes images (batch, {sizes}), not {shape or type(images).__name__}"
                + (f"; for these build it with image_shape={shape[1:]}" if len(shape) == 4 else "")
            )
        if not jnp.issubdtype(images.dtype, jnp.floating):
            raise UserError(
                f"{self.name} takes float images, scaled as those of its training, not "
                f"{images.dtype}: images / 255, for example"
            )

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


def _is_dense(layer: Layer) -> bool:
    return isinstance(layer.module if isinstance(layer, FlaxModule) else layer, Dense | nnx.Linear)


def _holds_dense(layer: Layer) -> bool:
    """Return whether a layer is or holds a dense layer that may make the network's logits."""
    if isinstance(layer, AuxHead):
        return False
    return any(isinstance(held, Dense | nnx.Linear) for _, held in nnx.iter_modules(layer))


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

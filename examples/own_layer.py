"""Layers of your own in a network, and layers of jaxcnn in a module of your own.

    python examples/own_layer.py

References: Hu et al. 2017, Squeeze-and-Excitation Networks, https://arxiv.org/abs/1709.01507;
Touvron et al. 2021, Going deeper with Image Transformers, https://arxiv.org/abs/2103.17239
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.models import Network, summary
from jaxcnn.nn import (
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
    Sequential,
)


class ChannelScale(Layer):
    """Multiply each channel by a parameter, which starts at `start`."""

    kind = "channel_scale"  # names the layers that get no name: channel_scale1, …

    def __init__(self, start: float = 0.1, name: str = ""):
        super().__init__(name)
        self.start = start

    def setup(self, shape, scope):
        """Make the parameter for inputs of `shape`; return the shape of the output."""
        self.scale = nnx.Param(scope.create("scale", shape[-1:], self._initial))
        return shape

    def _initial(self, rng, shape):
        return np.full(shape, self.start, np.float32)

    def _forward(self, x, context):
        """(batch, ..., channels) -> the same shape and dtype."""
        return x * self.scale[...].astype(x.dtype)


class SqueezeExcite(Sequential):
    """Scale each channel by a number between 0 and 1, computed from the means of all channels."""

    kind = "squeeze_excite"

    def __init__(self, channels: int, ratio: int = 4, name: str = ""):
        squeezed = Dense(channels // ratio, activation="relu")
        super().__init__(GlobalAveragePool(), squeezed, Dense(channels), name=name)

    def setup(self, shape, scope):
        """Build the inner layers; the output has the shape of the input."""
        super().setup(shape, scope)
        return shape

    def _forward(self, x, context):
        """(batch, height, width, channels) -> the same shape and dtype."""
        gates = jax.nn.sigmoid(super()._forward(x, context))
        return x * gates[:, None, None, :]


def block(filters: int) -> Residual:
    """Return a residual block with both layers in it."""
    main = [Conv(filters, 3, padding="same"), BatchNorm(), SqueezeExcite(filters), ChannelScale()]
    return Residual(main, Conv(filters, 1))


class MyModule(nnx.Module):
    """A module of Flax that holds layers of jaxcnn."""

    def __init__(self):
        self.stem = Conv(16, 3, padding="same").init((32, 32, 3), seed=0)
        self.block = block(32).init((16, 16, 16), seed=1)
        self.dropout = Dropout(0.5).init((32,), seed=2)
        self.head = nnx.Linear(32, 10, rngs=nnx.Rngs(3))

    def __call__(self, images, key=None):
        """(batch, 32, 32, 3) -> logits (batch, 10)."""
        x = MaxPool(2)(jax.nn.relu(self.stem(images)))
        x = self.block(x).mean(axis=(1, 2))
        return self.head(self.dropout(x, key=key))


def main() -> None:
    """Print the layers of a network, and the shapes that it and the module give."""
    lines = [Conv(16, 3, activation="relu"), block(32), GlobalAveragePool(), Dense(10)]
    network = Network(lines, name="mine", num_classes=10, image_shape=(32, 32, 3))
    for row in summary(network).rows:
        print(f"{row.name:52} {row.kind:17} {row.output_shape!s:13} {row.parameters:5,}")
    images = jnp.ones((4, 32, 32, 3))
    print("network:", network(images).shape)
    print("module: ", MyModule()(images, key=jax.random.key(0)).shape)


if __name__ == "__main__":
    main()

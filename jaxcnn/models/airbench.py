"""The networks of the CIFAR-10 speed records: whitening, three groups, 2 million parameters.

References: Jordan 2024, https://arxiv.org/abs/2404.00498; his code,
https://github.com/KellerJordan/cifar10-airbench (`airbench94_muon.py`); the record of 2025,
https://github.com/hiverge/cifar10-speedrun
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxcnn.models.registry import network
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.context import Context
from jaxcnn.nn.layer import Scope, Shape
from jaxcnn.nn.layers import Activation, Conv, Dense, Flatten, MaxPool

WHITENING = "whiten"  # the name of the layer
WHITENING_EPSILON = 5e-4


class Whitening(Conv):
    """A convolution with filters that whiten the images, and a bias that is trained.

    The filters are random until `fit` computes them from the training images. They are stored with
    BatchNorm's statistics.
    """

    kind = WHITENING

    def __init__(self, size: int, *, num_images: int = 5_000, **options: Any):
        super().__init__(0, size, initializer="torch_uniform", **options)
        self.num_images = num_images

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """(height, width, channels) -> (height', width', 2 * size² * channels)."""
        self.features = 2 * self.size**2 * shape[2]
        return super().setup(shape, scope)

    def make(self, scope: Scope, shape: Shape) -> None:
        """Create the bias as a parameter, and the kernel as a statistic."""
        super().make(scope, shape)
        self.kernel = nnx.BatchStat(self.kernel.get_value())

    def fit(
        self,
        batch_stats: dict[str, Any],
        images: jax.Array | np.ndarray,
        scale: Callable,
    ) -> dict[str, Any]:
        """Return the kernel for these images; the first `num_images` are used."""
        return {"kernel": whitening_filters(scale(images[: self.num_images]), self.size)}


class MeanDense(Dense):
    """A dense layer without bias whose output is divided by the number of its inputs.

    It computes in float32: that is cheap for logits, and rounding them costs accuracy.
    """

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, inputs) -> (batch, features)."""
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        return super()._forward(wide, context) / x.shape[-1]


def norm(activation: str, decay: float) -> list:
    """Return BatchNorm, without scale and with a short memory, and the activation."""
    return [BatchNorm(epsilon=1e-12, decay=decay, use_scale=False), Activation(activation)]


def conv(filters: int) -> Conv:
    """Return a 3x3 convolution whose first filters begin as the identity."""
    return Conv(filters, 3, padding="same", use_bias=False, initializer="identity_first")


def group(filters: int, activation: str, decay: float) -> list:
    """Return two convolutions, with a pool after the first."""
    end = functools.partial(norm, activation, decay)
    return [conv(filters), MaxPool(2), end(), conv(filters), end()]


def layers(num_classes: int, groups: list, num_whitening_images: int) -> list:
    """Return the layers of a record: whitening and GELU, the groups, a pool and the head."""
    return [
        Whitening(2, num_images=num_whitening_images, name=WHITENING),
        Activation("gelu"),
        groups,
        MaxPool(3),
        Flatten(),
        MeanDense(num_classes, use_bias=False, initializer="unit_uniform", name="logits"),
    ]


@network("airbench")
def airbench(num_classes: int, widths: tuple = (64, 256, 256)) -> list:
    """1,973,944 parameters for CIFAR-10 (1,971,352 trainable)."""
    return layers(num_classes, [group(width, "gelu", 0.6) for width in widths], 5_000)


@network("airbench2025")
def airbench2025(num_classes: int, widths: tuple = (64, 256, 256)) -> list:
    """1,973,944 parameters for CIFAR-10 (1,971,352 trainable): SiLU in the groups."""
    return layers(num_classes, [group(width, "silu", 0.5566) for width in widths], 960)


@functools.partial(jax.jit, static_argnames="size")
def whitening_filters(images: jax.Array, size: int) -> jax.Array:
    """Return the principal directions of the images' patches, and their negatives.

    Each direction is scaled so that the patches have unit variance along it.

    Args:
      images: float32 (examples, height, width, channels), roughly centered.
      size: of a patch, in pixels.

    Returns:
      (size, size, channels, 2 * size² * channels).
    """
    channels = images.shape[3]
    height, width = (side - size + 1 for side in images.shape[1:3])
    shifted = [
        images[:, row : row + height, column : column + width]
        for row in range(size)
        for column in range(size)
    ]
    patches = jnp.concatenate(shifted, axis=-1).reshape(-1, size**2 * channels)
    with jax.default_matmul_precision("highest"):  # a GPU's default is too coarse
        covariance = patches.T @ patches / len(patches)
    variances, directions = jnp.linalg.eigh(covariance)
    filters = directions / jnp.sqrt(variances + WHITENING_EPSILON)
    filters = jnp.concatenate([filters, -filters], axis=1)
    return filters.reshape(size, size, channels, -1)

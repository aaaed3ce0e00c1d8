"""The layers of networks, with Keras's conventions by default.

Images and feature maps are `(batch, height, width, channels)`, vectors `(batch, features)`. Outputs
have the dtype of the inputs (the compute dtype); parameters are float32.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from jaxcnn.nn import initializers
from jaxcnn.nn.context import Context
from jaxcnn.nn.layer import Layer, Scope, Shape
from jaxcnn.nn.options import ACTIVATIONS, PADDINGS, check_option
from jaxcnn.ops import pooling
from jaxcnn.ops.convolution import convolve
from jaxcnn.ops.depthwise import depthwise_conv
from jaxcnn.ops.product import multiply

IMAGE_AXES = ("height", "width", "channels")


def _window(size: int, stride: int, default_stride: int, padding: str) -> str:
    """Return a window in words, without the default stride and padding."""
    words = [f"{size}x{size}"]
    words += [f"stride {stride}"] if stride != default_stride else []
    return ", ".join([*words, "same"] if padding == "same" else words)


class _Linear(Layer):
    """The base of Conv and Dense: a kernel, a bias, L2 on the kernel, an activation after them."""

    def __init__(
        self,
        features: int,
        *,
        activation: str = "linear",
        initializer: str = "glorot_uniform",
        l2: float = 0.0,
        use_bias: bool = True,
        name: str = "",
    ):
        super().__init__(name)
        check_option("activation", activation, ACTIVATIONS)
        check_option("initializer", initializer, initializers.KERNEL_INITIALIZERS)
        self.features, self.initializer, self.l2 = features, initializer, l2
        self.activation, self.use_bias = activation, use_bias

    def make(self, scope: Scope, shape: Shape) -> None:
        """Create kernel and bias; the last two axes of the kernel are inputs and outputs."""
        area = math.prod(shape[:-2])
        kernel, bias = initializers.kernel_and_bias(
            self.initializer, fan_in=area * shape[-2], fan_out=area * shape[-1]
        )
        self.kernel = nnx.Param(scope.create("kernel", shape, kernel))
        if self.use_bias:
            self.bias = nnx.Param(scope.create("bias", shape[-1:], bias))

    def _finish(self, x: jax.Array) -> jax.Array:
        """Add the bias, if there is one, and apply the activation."""
        if self.use_bias:
            # the bias's gradient is a sum over all positions, which loses small terms in bfloat16
            sum_dtype = jnp.promote_types(x.dtype, jnp.float32)
            x = (x.astype(sum_dtype) + self.bias[...]).astype(x.dtype)
        return ACTIVATIONS[self.activation](x)

    def _own_penalty(self) -> jax.Array | float:
        """Return l2 * sum(kernel ** 2), without a factor 1/2 and without the bias."""
        return self.l2 * jnp.sum(jnp.square(self.kernel[...])) if self.l2 else 0.0

    def flops(self) -> int:
        """Return the operations for one example: two for each use of a kernel entry."""
        positions = math.prod(self.output_shape[:-1])
        return 2 * positions * math.prod(self.kernel.get_value().shape)


class Conv(_Linear):
    """Square convolution, bias, then the activation.

    A BatchNorm directly after it makes the bias redundant: `use_bias=False` leaves it out.

    Args:
      features: output channels.
      size: height and width of the kernel.
      stride: step of the kernel, in pixels.
      padding: "valid" or "same" (XLA's).
      **options: as in `Dense`: activation, initializer, l2, use_bias, name.
    """

    kind = "conv"
    input_axes = IMAGE_AXES

    def __init__(
        self, features: int, size: int, *, stride: int = 1, padding: str = "valid", **options
    ):
        super().__init__(features, **options)
        check_option("padding", padding, PADDINGS)
        self.size, self.stride, self.padding = size, stride, padding

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """(height, width, channels) -> (height', width', features)."""
        height, width, channels = shape
        self.make(scope, (self.size, self.size, channels, self.features))
        sizes = pooling.output_sizes((height, width), self.size, self.stride, self.padding)
        return (*sizes, self.features)

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height', width', features)."""
        kernel = self.kernel[...].astype(x.dtype)
        return self._finish(convolve(x, kernel, self.stride, self.padding))

    def details(self) -> str:
        """Return words such as `3x3, stride 2, same, relu`, without the default options."""
        window = _window(self.size, self.stride, 1, self.padding)
        return window if self.activation == "linear" else f"{window}, {self.activation}"


class DepthwiseConv(Conv):
    """A separate convolution of each channel; a 1x1 convolution after it completes a separable one.

    References: Chollet 2016, https://arxiv.org/abs/1610.02357
    """

    kind = "depthwise_conv"

    def __init__(self, size: int, **options):
        super().__init__(0, size, **options)

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """(height, width, channels) -> (height', width', channels)."""
        self.features = shape[2]
        self.make(scope, (self.size, self.size, 1, self.features))
        sizes = pooling.output_sizes(shape[:2], self.size, self.stride, self.padding)
        return (*sizes, self.features)

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height', width', channels)."""
        return self._finish(depthwise_conv(x, self.kernel[...], self.stride, self.padding))


class Dense(_Linear):
    """Fully connected layer with bias, then the activation.

    Args:
      features: output features.
      activation: "linear", "relu", "elu", "selu", "silu", "gelu" or "leaky_relu".
      initializer: the distribution of the kernel, see `jaxcnn.nn.initializers`.
      l2: factor of the sum of squared kernel entries in the loss.
      use_bias: add a bias.
      name: name of the layer in its network; by default "dense1", "dense2", ….
    """

    kind = "dense"
    input_axes = ("features",)

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """(inputs,) -> (features,)."""
        (inputs,) = shape
        self.make(scope, (inputs, self.features))
        return (self.features,)

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, inputs) -> (batch, features)."""
        return self._finish(multiply(x, self.kernel[...].astype(x.dtype)))

    def details(self) -> str:
        """Return the activation; "" without one."""
        return "" if self.activation == "linear" else self.activation


class Activation(Layer):
    """An activation as its own layer, such as one after a BatchNorm."""

    needs_init = False

    def __init__(self, function: str, name: str = ""):
        super().__init__(name)
        check_option("function", function, ACTIVATIONS)
        self.function = self.kind = function

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """Apply the function to each entry."""
        return ACTIVATIONS[self.function](x)

    def details(self) -> str:
        """Return the function's name."""
        return self.function


class _Pool(Layer):
    input_axes = IMAGE_AXES
    needs_init = False

    def __init__(
        self, size: int, *, stride: int | None = None, padding: str = "valid", name: str = ""
    ):
        super().__init__(name)
        check_option("padding", padding, PADDINGS)
        self.size, self.stride, self.padding = size, stride or size, padding

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """(height, width, channels) -> (height', width', channels)."""
        sizes = pooling.output_sizes(shape[:2], self.size, self.stride, self.padding)
        return (*sizes, shape[2])

    def details(self) -> str:
        """Return words such as `3x3, stride 2`, without the default options."""
        return _window(self.size, self.stride, self.size, self.padding)


class MaxPool(_Pool):
    """The maximum of each window; the stride is by default the window's size."""

    kind = "max_pool"

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height', width', channels)."""
        return pooling.max_pool(x, self.size, self.stride, self.padding)


class AveragePool(_Pool):
    """The mean of each window, without padding; the stride is by default the window's size."""

    kind = "average_pool"

    def __init__(self, size: int, *, stride: int | None = None, name: str = ""):
        super().__init__(size, stride=stride, name=name)

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height', width', channels)."""
        return pooling.average_pool(x, self.size, self.stride)


class GlobalAveragePool(Layer):
    """The mean of each channel over the whole image, summed in float32."""

    kind = "global_average_pool"
    input_axes = IMAGE_AXES
    needs_init = False

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """(height, width, channels) -> (channels,)."""
        return shape[-1:]

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, height, width, channels) -> (batch, channels)."""
        return x.mean(axis=(1, 2))


class ZeroPad(Layer):
    """Zeros on all four sides of the image."""

    kind = "zero_pad"
    input_axes = IMAGE_AXES
    needs_init = False

    def __init__(self, amount: int, name: str = ""):
        super().__init__(name)
        self.amount = amount

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """(height, width, channels) -> (height + 2 amount, width + 2 amount, channels)."""
        return (shape[0] + 2 * self.amount, shape[1] + 2 * self.amount, shape[2])

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """Return the images (batch, height, width, channels) with the border."""
        border = (self.amount, self.amount)
        return jnp.pad(x, ((0, 0), border, border, (0, 0)))

    def details(self) -> str:
        """Return the border's width."""
        return str(self.amount)


class Flatten(Layer):
    """Reshape each example to one vector."""

    kind = "flatten"
    needs_init = False

    def setup(self, shape: Shape, scope: Scope) -> Shape:
        """(height, width, channels) -> (height * width * channels,)."""
        return (math.prod(shape),)

    def _forward(self, x: jax.Array, context: Context) -> jax.Array:
        """(batch, ...) -> (batch, features)."""
        return x.reshape(x.shape[0], -1)

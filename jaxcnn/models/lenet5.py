"""The LeNet-5-like CNNs of [sgd], with PyTorch's initial values.

The publication names neither the kind of pool nor the activation: max and ReLU are assumed.

Source: [sgd], see docs/publications.md.
"""

import functools

from jaxcnn.models.registry import choose, network
from jaxcnn.nn import layers
from jaxcnn.nn.layers import AveragePool, Flatten, MaxPool

Conv = functools.partial(layers.Conv, activation="relu", initializer="torch_uniform")
Dense = functools.partial(layers.Dense, initializer="torch_uniform")


@network("lenet5_base")
@network("lenet5_model1", filters=(32, 64))
@network("lenet5_model2", filters=(64, 128))
@network("lenet5_model3", filters=(64, 128), hidden=(512, 512))
def lenet5(
    num_classes: int,
    filters: tuple[int, ...] = (16, 32),
    hidden: tuple[int, ...] = (512, 256),
    pool: str = "max",
) -> list:
    """729,322 parameters for CIFAR-10; models 1 to 3 have 1,333,450, 2,569,354 and 2,703,242.

    Args:
      filters: of the 3x3 convolutions; a pool follows each.
      hidden: widths of the dense layers.
      pool: "max" or "average".
    """
    pool_layer = choose("pool", pool, {"max": MaxPool, "average": AveragePool})
    return [
        [[Conv(count, 3), pool_layer(2)] for count in filters],
        Flatten(),
        [Dense(width, activation="relu") for width in hidden],
        Dense(num_classes, name="logits"),
    ]

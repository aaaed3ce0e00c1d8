"""The multi-layer perceptrons of [sgd], with PyTorch's initial values.

Source: [sgd], see docs/publications.md.
"""

import functools

from jaxcnn.models.registry import network
from jaxcnn.nn import layers
from jaxcnn.nn.layers import Flatten

Dense = functools.partial(layers.Dense, initializer="torch_uniform")


@network("mlp")
@network("mlp_base", hidden=(512, 512, 256))
@network("mlp_model1", hidden=(512, 512, 512))
@network("mlp_model2", hidden=(256, 256, 256))
def mlp(num_classes: int, hidden: tuple[int, ...] = (512, 512, 256)) -> list:
    """Hidden layers of the given widths, with ReLU: 1,969,930 parameters for CIFAR-10."""
    return [
        Flatten(),
        [Dense(width, activation="relu") for width in hidden],
        Dense(num_classes, name="logits"),
    ]

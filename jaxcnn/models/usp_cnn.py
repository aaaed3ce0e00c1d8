"""The CNN of [usp]: ReLU and SELU in turn.

The publication's table does not give the padding. It is also open whether the pool entry in a
convolution's row and the pool in the next row are one pool or two. Each reading is an option.

Source: [usp], see docs/publications.md.

References: Klambauer et al. 2017 (SELU), https://arxiv.org/abs/1706.02515
"""

import functools

from jaxcnn.models.registry import choose, network
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import Conv, Dense, Flatten, MaxPool


@network("usp_cnn")
@network("usp_cnn_double_pool", double_pool=True)
@network("usp_cnn_mixed_padding", padding="mixed")
def usp_cnn(
    num_classes: int,
    padding: str = "same",
    double_pool: bool = False,
    initializer: str = "glorot_uniform",
) -> list:
    """780,550 parameters for CIFAR-10; 396,550 with `double_pool` or mixed padding.

    Args:
      padding: "same", or "mixed" for "valid" in the second convolution of each pair.
      double_pool: two pools after the second pair of convolutions instead of one.
      initializer: "glorot_uniform" or "lecun_normal", for the layers with SELU. The others have
        Glorot uniform kernels.
    """
    second_padding = choose("padding", padding, {"same": "same", "mixed": "valid"})
    initializers = {name: name for name in ("glorot_uniform", "lecun_normal")}
    selu_initializer = choose("initializer", initializer, initializers)
    relu_conv = functools.partial(Conv, activation="relu")
    selu_conv = functools.partial(Conv, activation="selu", initializer=selu_initializer)
    return [
        relu_conv(36, 3, padding="same"),
        selu_conv(36, 2, padding=second_padding),
        Dropout(0.2),
        MaxPool(2),
        selu_conv(48, 2, padding="same"),
        relu_conv(48, 4, padding=second_padding),
        Dropout(0.3),
        [MaxPool(2) for _ in range(1 + double_pool)],
        relu_conv(64, 3, padding="same"),
        selu_conv(64, 3, padding=second_padding),
        Dropout(0.3),
        MaxPool(2),
        Flatten(),
        Dense(500, activation="selu", initializer=selu_initializer),
        Dropout(0.8),
        Dense(300, activation="relu"),
        Dropout(0.4),
        Dense(num_classes, name="logits"),
    ]

"""A CIFAR-10 network with SELU and ReLU layers, in the three readings of its published table.

`same_padding` pads every convolution; `double_pool` pools twice after the second pair of
convolutions; `mixed_padding` pads the first convolution of each pair alone. `phases` is
`same_padding` in the publication's three phases. LeCun normal kernels in the SELU layers:
`--config.model.initializer=lecun_normal`.

The publication trains the same weights in three phases: the first, 5 epochs more, 50 epochs more.
Its length of the first phase is unknown, and so is the rest of its recipe. This file assumes 50
epochs, Adam 1e-3, batch 128, pixels standardized by the training split's mean and deviation, and no
augmentation. The optimizer goes on from phase to phase. Three commands with the same --workdir are
the same recipe as `phases`: `--config.num_epochs=50`, `--config.num_epochs=55`, then
`--config.num_epochs=105`.

Source: [usp].
Published test accuracy: none (its pictures are missing).
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, published_config
from jaxcnn.models import model_config

VARIANTS = {
    "same_padding": "usp_cnn",
    "double_pool": "usp_cnn_double_pool",
    "mixed_padding": "usp_cnn_mixed_padding",
    "phases": "usp_cnn",
}


def get_config(variant: str = "same_padding") -> ConfigDict:
    """Return the recipe for one of the readings, or in three phases."""
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "zscore"
    config.model = model_config(choose(variant, VARIANTS))
    config.global_batch_size = 128
    config.num_epochs = 50
    if variant == "phases":
        config.phases, config.num_epochs = (50, 5, 50), 105
    config.optimizer.learning_rate = 1e-3
    return config

"""The USP publication's CIFAR-10 network, in the three readings of its table.

`same_padding` pads every convolution; `double_pool` pools twice after the second pair of
convolutions; `mixed_padding` pads the first convolution of each pair alone. LeCun normal kernels in
the SELU layers: `--config.model.initializer=lecun_normal`.

The publication trains in three phases on the same weights: a first one, 5 epochs more, 50 epochs
more. More epochs with the same --workdir go on where the run ended, optimizer included:
`--config.num_epochs=55`, then `--config.num_epochs=105`.

Assumed, as the publication gives the table alone: Adam 1e-3, batch 128, 50 epochs in the first
phase, pixels standardised by the training split's mean and deviation, no augmentation.

Source: the USP publication (000_1bb6863f0e5b29b1.txt).
Published test accuracy: none (its pictures are missing).
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config


def get_config(variant: str = "same_padding") -> ConfigDict:
    """`same_padding`, `double_pool` or `mixed_padding`."""
    name = choose(
        variant,
        {
            "same_padding": "usp_cnn",
            "double_pool": "usp_cnn_double_pool",
            "mixed_padding": "usp_cnn_mixed_padding",
        },
    )
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "zscore"
    config.model = network(name)
    config.global_batch_size = 128
    config.num_epochs = 50
    config.optimizer.learning_rate = 1e-3
    return config

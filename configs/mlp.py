"""The SGD publication's multi-layer perceptrons on CIFAR-10: learning rates, momenta, widths.

No schedule, no augmentation. Not given by the publication: batch 64, and pixels in -1…1
(`--config.dataset.scaling=unit` for 0…1), which its figures speak for: base_lr0p001
ends at 44.3 % so and at 37 % with 0…1.

Source: the SGD publication (003_15b86b5d52418ee2.txt).
Published test accuracy: base_lr0p001 about 44 %, base_lr0p005 48.5 %, model1 and model2 54–55 %;
base_lr0p1 unstable, base_m0p2 and base_m0p5 without a figure.
Its losses are mean cross-entropies divided by the batch size: its 0.0225 is 1.44 here.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config

_BASE, _MODEL1, _MODEL2 = (512, 512, 256), (512, 512, 512), (256, 256, 256)


def get_config(variant: str = "model2") -> ConfigDict:
    """`base_lr0p001`, `base_lr0p005`, `base_lr0p1`, `base_m0p2`, `base_m0p5`, `model1` or
    `model2`."""
    hidden, learning_rate, momentum, num_epochs = choose(
        variant,
        {
            "base_lr0p001": (_BASE, 0.001, 0.0, 40),
            "base_lr0p005": (_BASE, 0.005, 0.0, 40),
            "base_lr0p1": (_BASE, 0.1, 0.0, 40),
            "base_m0p2": (_BASE, 0.005, 0.2, 20),
            "base_m0p5": (_BASE, 0.005, 0.5, 20),
            "model1": (_MODEL1, 0.005, 0.9, 10),
            "model2": (_MODEL2, 0.005, 0.9, 10),
        },
    )
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "centered"
    config.tuned_on_test_of = "cifar10"  # the scaling: see above
    config.model = network("mlp", hidden=hidden)
    config.global_batch_size = 64
    config.num_epochs = num_epochs
    config.optimizer.update(name="momentum", learning_rate=learning_rate, momentum=momentum)
    return config

"""The SGD publication's LeNet-5-like CNNs on CIFAR-10: learning rates, momenta, widths.

No schedule, no weight decay, no augmentation. Assumed, as the publication does not say: batch 64,
max pools (`--config.model.pool=average` for the other kind), ReLU, and pixels in -1…1
(`--config.dataset.scaling=unit` for 0…1), because its lowest rate ends at about 44 % so and at
31 % with 0…1. From the momentum runs on, its headings give the rate as 0.1 and its text as 0.01:
0.01 is taken, and the variants that end in `_lr0p1` follow the headings.

Source: the SGD publication (003_15b86b5d52418ee2.txt).
Published test accuracy: base_lr0p001 about 44 %, base_lr0p01 67.3 %, base_lr0p1 71 %, base_m0p2 and
base_m0p5 almost 70 %, model3 almost 75 %; model1 and model2 without a figure.
Its losses are mean cross-entropies divided by the batch size.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config


def get_config(variant: str = "model3") -> ConfigDict:
    """`base_lr0p001`, `base_lr0p01`, `base_lr0p1`; with momentum `base_m0p2`, `base_m0p5`,
    `model1`, `model2`, `model3`, and at the rate of the headings `base_m0p2_lr0p1`,
    `base_m0p5_lr0p1`, `model1_lr0p1`, `model2_lr0p1`, `model3_lr0p1`."""
    learning_rate, momentum, num_epochs = choose(
        variant,
        {
            "base_lr0p001": (0.001, 0.0, 40),
            "base_lr0p01": (0.01, 0.0, 40),
            "base_lr0p1": (0.1, 0.0, 40),
            "base_m0p2": (0.01, 0.2, 40),
            "base_m0p5": (0.01, 0.5, 40),
            "model1": (0.01, 0.9, 20),
            "model2": (0.01, 0.9, 20),
            "model3": (0.01, 0.9, 20),
            "base_m0p2_lr0p1": (0.1, 0.2, 40),
            "base_m0p5_lr0p1": (0.1, 0.5, 40),
            "model1_lr0p1": (0.1, 0.9, 20),
            "model2_lr0p1": (0.1, 0.9, 20),
            "model3_lr0p1": (0.1, 0.9, 20),
        },
    )
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "centered"
    config.tuned_on_test_of = "cifar10"  # the scaling: see above
    config.model = network(f"lenet5_{variant.split('_')[0]}")
    config.global_batch_size = 64
    config.num_epochs = num_epochs
    config.optimizer.update(name="momentum", learning_rate=learning_rate, momentum=momentum)
    return config

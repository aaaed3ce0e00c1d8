"""LeNet-5-like CNNs on CIFAR-10: learning rates, momenta, widths.

There is no schedule, no weight decay and no augmentation. The publication leaves open, and this
file assumes: batch 64, max pools (`--config.model.pool=average` for the other kind), ReLU, and
pixels from -1 to 1 (`--config.dataset.scaling=unit` for 0 to 1). With its lowest rate the
publication ends at about 44 %; pixels from -1 to 1 give that figure, 0 to 1 gives 31 %.

For the momentum runs and models 1 to 3, the publication's headings say rate 0.1, its text 0.01.
The variants take 0.01, and those that end in `_lr0p1` follow the headings.

Source: [sgd], whose losses are mean cross-entropies divided by the batch size.
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, publish, published_config
from jaxcnn.models import model_config

# learning rate, momentum, epochs
VARIANTS = {
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
}


def get_config(variant: str = "model3") -> ConfigDict:
    """Return one of the publication's runs."""
    learning_rate, momentum, num_epochs = choose(variant, VARIANTS)
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "centered"
    config.tuned_on_test_of = "cifar10"  # the scaling: see above
    config.model = model_config(f"lenet5_{variant.split('_')[0]}")
    config.global_batch_size = 64
    config.num_epochs = num_epochs
    config.optimizer.update(name="momentum", learning_rate=learning_rate, momentum=momentum)
    return publish(config, "sgd", name=f"lenet5:{variant}")

"""The homework publication's three archived networks on CIFAR-10: Adam 1e-3, batch 1,000, 1 epoch.

The recipe is shown for v2 alone and assumed for v1 and v3; unscaled pixels 0…255 are assumed for
all three, and so are their last layers, which are off the publication's pages:
`--config.model.final_bn=False` leaves out the BatchNorm on the logits,
`--config.model.extra_dense="(128,)"` adds a dense layer.

Source: the homework publication (002_85aa68ec7028faa3.txt).
Published test accuracy: none. v1 is called mixed; v2 worse, its log ends at 10.00 % training
accuracy after 5,000 images; nothing is said of v3. All were dropped after an epoch.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.files import choose
from jaxcnn.config.recipes import published_config


def get_config(variant: str = "v2") -> ConfigDict:
    """`v1`, `v2` or `v3`."""
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "none"
    config.model = network(choose(variant, {v: f"ownnet_{v}" for v in ("v1", "v2", "v3")}))
    config.global_batch_size = 1000
    config.num_epochs = 1
    config.optimizer.learning_rate = 1e-3
    return config

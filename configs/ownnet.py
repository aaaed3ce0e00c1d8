"""Three networks that the publication dropped after an epoch, on CIFAR-10: Adam 1e-3, batch 1,000.

The publication shows the recipe for v2; this file assumes it for v1 and v3. It also assumes
unscaled pixels 0 to 255, and the last layers, which the publication's pages cut off:
`--config.model.final_bn=False` leaves out the BatchNorm on the logits,
`--config.model.extra_dense="(128,)"` adds a dense layer.

Source: [homework].
Published test accuracy: none. v1 is called mixed. v2 is called worse, and its log ends at 10.00 %
training accuracy after 5,000 images. Nothing is said of v3.
"""

from ml_collections import ConfigDict

from jaxcnn.config import choose, publish, published_config
from jaxcnn.models import model_config

VARIANTS = {"v1": "ownnet_v1", "v2": "ownnet_v2", "v3": "ownnet_v3"}


def get_config(variant: str = "v2") -> ConfigDict:
    """Return one epoch of one of the networks."""
    config = published_config()
    config.dataset.name = "cifar10"
    config.dataset.scaling = "none"
    config.model = model_config(choose(variant, VARIANTS))
    config.global_batch_size = 1000
    config.num_epochs = 1
    config.optimizer.learning_rate = 1e-3
    return publish(config, "homework", name=f"ownnet:{variant}")

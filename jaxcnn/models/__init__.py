"""The networks: one file per family, made from the layers of `jaxcnn.nn`."""

from jaxcnn.models import (  # noqa: F401  (importing a family registers its networks)
    airbench,
    alexnet,
    compact,
    densenet,
    googlenet,
    googlenet_cifar,
    lenet,
    lenet5,
    mlp,
    mnist,
    ownnet,
    resnet,
    resnet_cifar,
    simpler_cnn,
    usp_cnn,
    vgg,
    vgg_cifar,
    wide_resnet,
    xception,
)
from jaxcnn.models.registry import (
    build,
    check_options,
    model_config,
    network_entry,
    network_names,
    network_options,
)
from jaxcnn.nn.network import Network
from jaxcnn.nn.summary import Summary, summary

__all__ = [
    "Network",
    "Summary",
    "build",
    "check_options",
    "model_config",
    "network_entry",
    "network_names",
    "network_options",
    "summary",
]

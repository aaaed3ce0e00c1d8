"""One network of each family, the smallest: what takes long is tried on these alone."""

FAMILIES = (
    "airbench",
    "alexnet",
    "compact_cnn",
    "densenet40_bc",
    "googlenet",
    "googlenet_cifar",
    "lenet",
    "lenet5_base",
    "mlp",
    "mnist_compact",
    "ownnet_v3",
    "resnet18",
    "resnet50",
    "simpler_cnn",
    "usp_cnn",
    "vgg11",
    "vgg16_bn",
    "wide_resnet16_4",
    "xception_small",
)

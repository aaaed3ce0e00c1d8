"""The sizes of the datasets, known without their files."""

from ml_collections import ConfigDict

# classes and image shape, so that no dataset is needed to look at a network
_DATASETS = {
    "cifar10": (10, (32, 32, 3)),
    "cifar100": (100, (32, 32, 3)),
    "digits": (10, (8, 8, 1)),
    "ferplus": (8, (48, 48, 1)),
    "mnist": (10, (28, 28, 1)),
}
_COARSE_CLASSES = 20  # of cifar100


def dataset_sizes(dataset: ConfigDict) -> tuple[int, tuple[int, int, int]]:
    """num_classes and image_shape of the `dataset` part of a config, known without its files."""
    if dataset.name in _DATASETS:
        num_classes, (height, width, channels) = _DATASETS[dataset.name]
        if dataset.label_set == "coarse":
            num_classes = _COARSE_CLASSES
        size = dataset.image_size
        return num_classes, (size or height, size or width, channels)
    from jaxcnn.data.dataset import load_dataset

    loaded = load_dataset(
        dataset.name, data_dir=dataset.data_dir or None, image_size=dataset.image_size
    )
    return loaded.num_classes, loaded.image_shape

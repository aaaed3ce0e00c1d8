"""The recipes of the benchmarks: those of the publications, on noise in place of images."""

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcnn.errors import UserError

if TYPE_CHECKING:
    from jaxcnn.data.dataset import Dataset

FOLDER = Path(__file__).resolve().parents[1] / "configs"

RECIPES = {  # network: its config
    "lenet": "lenet:cifar10",
    "mnist_vanilla": "mnist:vanilla",
    "mnist_small": "mnist:small",
    "mnist_small_bn": "mnist:small_bn",
    "mnist_bn_dropout": "mnist:bn_dropout",
    "mnist_deep_20k": "mnist:deep_20k",
    "mnist_deep_12k": "mnist:deep_12k",
    "mnist_stem64_16k": "mnist:stem64_16k",
    "mlp_base": "mlp:base_m0p5",
    "mlp_model1": "mlp:model1",
    "mlp_model2": "mlp:model2",
    "simpler_cnn": "simpler_cnn:cifar10",
    "alexnet": "alexnet:cifar10",
    "alexnet_bn": "alexnet_bn",
    "vgg16_bn": "vgg16_bn:cifar10",
    "googlenet": "googlenet:cifar10",
    "resnet50": "resnet50:cifar10",
}
# The networks of a benchmark unless `--networks` names others. The slow ones come first, because
# each may take half of the time that is left.
USUAL = (
    "googlenet", "resnet50", "vgg16_bn", "alexnet", "simpler_cnn", "lenet", "mnist_vanilla",
    "mnist_bn_dropout",
)  # fmt: skip

PADDING = 4  # pixels, of the random crop
EVAL_BATCH_SIZE = 256
# A pass over the data takes seconds at most. It takes long enough that its start hardly counts.
NUM_IMAGES = {"train_step": 25_600, "evaluation": 10_240, "epoch": 2_560, "data_feed": 12_800}
NUM_IN_EPOCH = {"lenet": 25_600, "mlp_model2": 25_600, "mnist_bn_dropout": 12_800}
NUM_EVALUATED = {"simpler_cnn": 2_560} | dict.fromkeys(
    ("alexnet", "alexnet_bn", "vgg16_bn", "googlenet", "resnet50"), EVAL_BATCH_SIZE
)
QUICK_NUM_IMAGES = 5_120  # the most images of a pass with --quick


def num_images(network: str, task: str, *, is_quick: bool) -> int:
    """Return the number of images that a task reads."""
    exceptions = {"evaluation": NUM_EVALUATED, "epoch": NUM_IN_EPOCH}.get(task, {})
    size = exceptions.get(network, NUM_IMAGES[task])
    return min(size, QUICK_NUM_IMAGES) if is_quick and task != "train_step" else size


def choose_networks(patterns: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Return the networks that match `--networks`, or the usual ones if there are no patterns.

    Raises:
      UserError: a pattern matches none.
    """
    chosen = []
    for pattern in patterns:
        matches = fnmatch.filter(RECIPES, pattern)
        if not matches:
            raise UserError(f"--networks: there is no {pattern!r}; there are {', '.join(RECIPES)}")
        chosen += [name for name in matches if name not in chosen]
    return chosen or list(usual)


def load_config(network: str, task: str) -> Any:
    """Return the config of a network's published recipe, with pixels 0…1.

    The tasks `epoch` and `data_feed` crop and flip, and standardize by channel.
    """
    from jaxcnn.config.files import config_variants

    config = config_variants(FOLDER)[RECIPES[network]]()
    config.dataset.scaling = "unit"
    if task in ("epoch", "data_feed"):
        config.dataset.scaling = "zscore_per_channel"
        config.augment.update(crop=PADDING, crop_mode="zero", flip="random")
    return config


def random_examples(
    num_examples: int, image_shape: tuple[int, int, int], num_classes: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Return noise, uint8 (num_examples, height, width, channels), and labels, int32."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (num_examples, *image_shape), np.uint8)
    return images, generator.integers(0, num_classes, num_examples, np.int32)


def pixel_moments(channels: int) -> np.ndarray:
    """Return mean and standard deviation of the noise's pixels, float32 (2, channels)."""
    return np.full((2, channels), [[127.5], [73.9]], np.float32)


def noise(config: Any, num_train: int, num_test: int) -> "Dataset":
    """Return a dataset of noise with the image size and the classes of the config's dataset."""
    from jaxcnn.data.dataset import Dataset, Split
    from jaxcnn.data.loading import dataset_sizes

    num_classes, image_shape = dataset_sizes(config.dataset)
    sizes = {"train": num_train, "test": num_test}
    splits = {
        name: Split(*random_examples(size, image_shape, num_classes))
        for name, size in sizes.items()
    }
    names, (mean, std) = tuple(map(str, range(num_classes))), pixel_moments(image_shape[-1])
    return Dataset("noise", names, splits, mean, std, 127.5, 73.9)

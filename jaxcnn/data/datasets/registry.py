"""The registries of datasets: those of jaxcnn, with their classes and image shapes, and the user's.

The table is read without tfds and without any files. To add a dataset, write a module with an
`ImageBuilder`, and add an entry here. Folders of images have no entry, because their classes and
image shape depend on the folder.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from jaxcnn.config.parts import Registry

if TYPE_CHECKING:
    from jaxcnn.data.dataset import Dataset
    from jaxcnn.data.preparing.builder import ImageBuilder

_DIGITS = tuple("0123456789")


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """A dataset.

    Attributes:
      builder: "module:class" of its `ImageBuilder`.
      class_names: the class names by label set. If there is only one label set, it is called "".
        Numbers stand for names that only the publisher's files give.
      image_shape: (height, width, channels).
    """

    builder: str
    class_names: Mapping[str, tuple[str, ...]]
    image_shape: tuple[int, int, int]

    def num_classes(self, label_set: str = "") -> int:
        """Return the number of classes of a label set; of the first one if it is unknown."""
        first = next(iter(self.class_names))
        return len(self.class_names.get(label_set, self.class_names[first]))


DATASETS = {
    "cifar10": DatasetSpec(
        "jaxcnn.data.datasets.cifar:Cifar10",
        {
            "": (
                "airplane",
                "automobile",
                "bird",
                "cat",
                "deer",
                "dog",
                "frog",
                "horse",
                "ship",
                "truck",
            )
        },
        (32, 32, 3),
    ),
    "cifar100": DatasetSpec(
        "jaxcnn.data.datasets.cifar:Cifar100",
        {
            "fine": tuple(str(number) for number in range(100)),
            "coarse": tuple(str(number) for number in range(20)),
        },
        (32, 32, 3),
    ),
    "digits": DatasetSpec("jaxcnn.data.datasets.digits:Digits", {"": _DIGITS}, (8, 8, 1)),
    "ferplus": DatasetSpec(
        "jaxcnn.data.datasets.ferplus:FerPlus",
        {
            "": (
                "neutral",
                "happiness",
                "surprise",
                "sadness",
                "anger",
                "disgust",
                "fear",
                "contempt",
            )
        },
        (48, 48, 1),
    ),
    "mnist": DatasetSpec("jaxcnn.data.datasets.mnist:Mnist", {"": _DIGITS}, (28, 28, 1)),
}
# functions without arguments that return a `Dataset`, registered by the user
OWN_DATASETS: Registry[Callable[[], "Dataset"]] = Registry("dataset", reserved=DATASETS)
FOLDER_BUILDER = "jaxcnn.data.datasets.folder:ImageFolder"


def dataset(name: str) -> Callable:
    """Register a function without arguments that returns a `jaxcnn.Dataset`.

    The function is called once in a process. It must return the same images and labels each time:
    a run refuses others.

    Args:
      name: the name in `config.dataset.name`.

    Returns:
      The decorator, which returns the function unchanged.

    Raises:
      UserError: the name is taken, or the function takes arguments.
    """
    return OWN_DATASETS.decorator(name, lambda function, part: function)


def load_builder(builder: str) -> type["ImageBuilder"]:
    """Return the builder class of "module:class"; this is where tfds is imported."""
    module, _, name = builder.partition(":")
    return getattr(importlib.import_module(module), name)

"""Groups of classes: CIFAR-100's twenty superclasses, and a selection of its classes.

References:
  Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
  https://www.cs.toronto.edu/~kriz/cifar.html
"""

from collections.abc import Sequence

_NAMES = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}
SUPERCLASSES = {superclass: tuple(names.split()) for superclass, names in _NAMES.items()}
SELECTED_BY = "classic"  # the publication that shows these classes alone
SELECTED = (
    "bed", "bicycle", "bus", "chair", "couch", "motorcycle", "streetcar", "table", "train",
    "wardrobe",
)  # fmt: skip


def is_coarse(class_names: Sequence[str]) -> bool:
    """Return whether all names are those of CIFAR-100's superclasses."""
    return SUPERCLASSES.keys() >= set(class_names)


def superclasses_of(class_names: Sequence[str]) -> tuple[str, ...] | None:
    """Return the superclass of each class, in the order of the classes.

    None unless the names are those of CIFAR-100's fine labels, in any order.
    """
    by_class = {name: superclass for superclass, names in SUPERCLASSES.items() for name in names}
    if set(class_names) != by_class.keys():
        return None
    return tuple(by_class[name] for name in class_names)

"""The figures of the five publications, by the names of their recipes.

docs/publications.md tells what the publications contain. Accuracies are fractions.
"""

import dataclasses
from collections.abc import Mapping

# keys that runs of older code have
_OLDER_KEYS = {"USP": "usp", "MNIST": "mnist", "SGD": "sgd", "classic-networks": "classic"}


@dataclasses.dataclass(frozen=True)
class Figures:
    """The figures that a publication gives for a recipe; None: not given.

    All publications validate on the test split, so their validation figures are test figures.

    Attributes:
      by: the key of the publication.
      accuracy: the test accuracy after the last epoch.
      words: the publication's words for the accuracy where it gives no exact number.
      best: the highest test accuracy of all epochs.
      best_epoch: the epoch of `best`, from 1 on; None with a `best` is "epoch unknown".
      loss: the test loss after the last epoch.
      loss_by_batch_size: the mean test loss divided by the batch size, after the last epoch.
      lowest_loss: the lowest test loss, and its epoch.
      train: loss and accuracy of the last printed epoch on training batches.
      epochs: the epochs of the run that `accuracy` belongs to, where the recipe does not fix them.
      seconds: the lowest and the highest printed time of an epoch; on unnamed hardware.
      classes: the test accuracy by class.
      note: a caution for the reader.
    """

    by: str
    accuracy: float | None = None
    words: str = ""
    best: float | None = None
    best_epoch: int | None = None
    loss: float | None = None
    loss_by_batch_size: float | None = None
    lowest_loss: tuple[float, int] | None = None
    train: tuple[float, float] | None = None
    epochs: int | None = None
    seconds: tuple[float, float] | None = None
    classes: Mapping[str, float] = dataclasses.field(default_factory=dict)
    note: str = ""


_MNIST = {
    "mnist:vanilla": Figures("mnist", note="the printed log is that of mnist:small"),
    "mnist:small": Figures(
        "mnist", 0.9776, best=0.9823, best_epoch=18, loss=0.0725, train=(0.0490, 0.9845),
        seconds=(10, 11),
    ),
    "mnist:small_bn": Figures("mnist", best=0.9942, note="reached; the length is unknown"),
    "mnist:bn_dropout": Figures(
        "mnist", 0.9919, best=0.9945, best_epoch=14, loss=0.0250, train=(0.0175, 0.9942),
        seconds=(10, 11),
    ),
    "mnist:deep_20k": Figures(
        "mnist", 0.9943, best=0.9943, best_epoch=20, loss=0.0213, train=(0.0206, 0.9934),
        seconds=(17, 23),
    ),
    "mnist:deep_12k": Figures("mnist", note="called not worth it"),
    "mnist:stem64_16k": Figures(
        "mnist", 0.9939, best=0.9940, best_epoch=18, loss=0.0221, train=(0.0232, 0.9926),
        seconds=(17, 23),
    ),
}  # fmt: skip
_HOMEWORK = {
    "alexnet_bn": Figures(
        "homework", 0.6920, best=0.6920, best_epoch=5, loss=0.936, train=(0.5728, 0.8128),
        seconds=(57, 57),
    ),
    "simpler_cnn:cifar10": Figures("homework"),
    "simpler_cnn:continued": Figures(
        "homework", 0.8524, loss=0.708, lowest_loss=(0.6731, 3), train=(0.4247, 0.9231), epochs=7,
        seconds=(18, 19), note="the log has 7 epochs, after an unknown number",
    ),
    "simpler_cnn:zscore": Figures(
        "homework", 0.8343, loss=0.652, lowest_loss=(0.6326, 10), train=(0.5203, 0.8683),
        epochs=14, seconds=(18, 19),
    ),
    "simpler_cnn:ferplus_tail_split": Figures("homework"),
    "ownnet:v1": Figures("homework", note="called mixed"),
    "ownnet:v2": Figures(
        "homework", train=(2.6747, 0.1000), note="called worse; the log ends after 5,000 images"
    ),
    "ownnet:v3": Figures("homework"),
}  # fmt: skip
_SGD = {
    "mlp:base_lr0p001": Figures("sgd", 0.44, "about 44 %"),
    "mlp:base_lr0p005": Figures("sgd", 0.485, loss_by_batch_size=0.0225),
    "mlp:base_lr0p1": Figures("sgd", note="called unstable"),
    "mlp:base_m0p2": Figures("sgd", note="called clearly better"),
    "mlp:base_m0p5": Figures("sgd", note="called clearly better"),
    "mlp:model1": Figures("sgd", 0.545, "54 to 55 %"),
    "mlp:model2": Figures("sgd", 0.545, "54 to 55 %"),
    "lenet5:base_lr0p001": Figures(
        "sgd", 0.44, "about 44 %", note="doubtful: the sentence is the MLP's"
    ),
    "lenet5:base_lr0p01": Figures("sgd", 0.673, loss_by_batch_size=0.022),
    "lenet5:base_lr0p1": Figures("sgd", 0.71),
    "lenet5:base_m0p2": Figures("sgd", 0.70, "almost 70 %"),
    "lenet5:base_m0p5": Figures("sgd", 0.70, "almost 70 %"),
    "lenet5:model1": Figures("sgd"),
    "lenet5:model2": Figures("sgd"),
    "lenet5:model3": Figures("sgd", 0.75, "almost 75 %", loss_by_batch_size=0.029),
    "lenet5:base_m0p2_lr0p1": Figures("sgd"),
    "lenet5:base_m0p5_lr0p1": Figures("sgd"),
    "lenet5:model1_lr0p1": Figures("sgd"),
    "lenet5:model2_lr0p1": Figures("sgd"),
    "lenet5:model3_lr0p1": Figures("sgd"),
}
_CLASSIC = {
    "lenet:cifar10": Figures(
        "classic", 0.5974, loss=1.6337, train=(0.4400, 0.8450), seconds=(3, 3)
    ),
    "lenet:cifar100": Figures(
        "classic", 0.2843, loss=3.5401, train=(1.6945, 0.5389), seconds=(3, 3)
    ),
    "alexnet:cifar10": Figures(
        "classic", 0.6115, loss=2.3238, train=(0.0467, 0.9844), seconds=(13, 13),
        note="the last validation figure; the test's is lost",
    ),
    "alexnet:cifar100": Figures(
        "classic", 0.2877, loss=6.2768, train=(0.1148, 0.9625), seconds=(13, 13),
        note="training figures of epoch 24, the last legible ones",
    ),
    "vgg16_bn:cifar10": Figures(
        "classic", 0.7145, loss=1.9771, train=(0.6662, 0.9821), seconds=(48, 48),
        note="the last validation figure; the test's is lost. Losses contain L2",
    ),
    "vgg16_bn:cifar100": Figures("classic", note="the picture of the result is lost"),
    "resnet50:cifar10": Figures(
        "classic", 0.7574, loss=1.3620, train=(0.0364, 0.9878), seconds=(62, 64)
    ),
    "resnet50:cifar100": Figures(
        "classic", 0.4003, loss=4.5791, train=(0.0812, 0.9747), seconds=(62, 64),
        classes={"sunflower": 0.72, "road": 0.81, "orange": 0.72, "plain": 0.76},
        note="training figures are the last legible ones",
    ),
    "googlenet:cifar10": Figures(
        "classic", 0.7613, loss=1.2876, train=(0.0453, 0.9867), seconds=(83, 83),
        note="training figures of epoch 49, the last legible ones",
    ),
    "googlenet:cifar100": Figures(
        "classic", 0.4842, loss=2.6264, train=(0.4771, 0.9040), epochs=48, seconds=(83, 83),
        classes={"sunflower": 0.83, "road": 0.81, "orange": 0.80, "plain": 0.76},
        note="validation figure of about epoch 48; the test's is lost",
    ),
}  # fmt: skip
FIGURES: dict[str, Figures] = _MNIST | _HOMEWORK | _SGD | _CLASSIC
PUBLICATIONS = {
    "usp": "A CIFAR-10 network with SELU and ReLU layers, in three phases",
    "mnist": "Small networks on MNIST",
    "homework": "AlexNet, the Simpler CNN, FERPlus, three dropped networks",
    "sgd": "Learning rates and momenta of MLPs and CNNs on CIFAR-10",
    "classic": "Five classic networks on CIFAR-10 and CIFAR-100",
}


def current_key(key: str) -> str:
    """Return the current key of a publication for the key in a run, which may be an older one."""
    return _OLDER_KEYS.get(key, key)

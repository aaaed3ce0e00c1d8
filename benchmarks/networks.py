"""The networks that torch and Keras train beside jaxcnn, as texts that their sides read.

A text is layers in their order, such as "conv 6 5 relu > avg 2 > flatten > dense 10": filters and
size, units, a window's size. By default convolutions are "valid" with stride 1, and a pool's stride
is its window's size. `torch_networks.py` and `keras_networks.py` make layers of the texts. A
benchmark refuses to run where a side's number of parameters is not jaxcnn's.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

AUXILIARY_WEIGHT = 0.3  # of an auxiliary head's probabilities, beside 1 for the main one's
L2 = {"simpler_cnn": ("conv",), "vgg16_bn": ("conv", "dense")}  # whose kernels have L2_WEIGHT
L2_WEIGHT = 1e-4


class Layer(NamedTuple):
    """A layer of a text; `stride` is 0 and `activation` "" where the text gives none."""

    kind: str
    numbers: list[float]
    stride: int = 0
    is_same: bool = False
    activation: str = ""


def parse(text: str) -> Iterator[Layer]:
    """Yield the layers of a text: conv, dense, bn, relu, elu, max, avg, pad, dropout, flatten."""
    for kind, *words in map(str.split, text.split(">")):
        numbers = [float(word) if "." in word else int(word) for word in words if word[0].isdigit()]
        options = {}
        for word in words[len(numbers) :]:
            if word == "same":
                options["is_same"] = True
            elif word.startswith("stride="):
                options["stride"] = int(word.removeprefix("stride="))
            else:
                options["activation"] = word
        yield Layer(kind, numbers, **options)


class Inception(NamedTuple):
    """1x1, 3x3 and 5x5 convolutions and a pool side by side, concatenated on the channels."""

    f1: int
    f2_in: int
    f2: int
    f3_in: int
    f3: int
    f4: int

    @property
    def branches(self) -> list[str]:
        """The branches' texts."""
        return [
            f"conv {self.f1} 1 same relu",
            f"conv {self.f2_in} 1 same relu > conv {self.f2} 3 same relu",
            f"conv {self.f3_in} 1 same relu > conv {self.f3} 5 same relu",
            f"max 3 stride=1 same > conv {self.f4} 1 same relu",
        ]


class Bottleneck(NamedTuple):
    """1x1, 3x3 and 1x1 convolutions, a shortcut added to them, ReLU."""

    width: int
    stride: int
    has_projection: bool

    @property
    def main(self) -> str:
        """The text of the convolutions."""
        first = f"conv {self.width} 1 stride={self.stride} > bn > relu"
        return f"{first} > conv {self.width} 3 same > bn > relu > conv {4 * self.width} 1 > bn"

    @property
    def shortcut(self) -> str:
        """The text of the shortcut, "" where it is the input itself."""
        convolution = f"conv {4 * self.width} 1 stride={self.stride} > bn"
        return convolution if self.has_projection else ""


class Auxiliary(NamedTuple):
    """A classifier on an inner feature map; the main path passes the map on unchanged."""

    text: str


Part = str | Inception | Bottleneck | Auxiliary


def blocks(pattern: str, text: str) -> str:
    """Return the text with every "block ARGUMENTS" written out by the pattern."""
    return re.sub(r"block ([^>]*[^>\s])", pattern.replace("{}", r"\1"), text)


def mnist(text: str) -> list[Part]:
    """Return a network of [mnist]; a block is a convolution, BatchNorm and dropout."""
    return [blocks("conv {} relu > bn > dropout 0.1", f"{text} > flatten")]


def stage(width: int, num_blocks: int, stride: int = 2) -> list[Part]:
    """Return bottlenecks; the first one has the stride and the projection."""
    first = Bottleneck(width, stride, has_projection=True)
    return [first, *[Bottleneck(width, 1, has_projection=False)] * (num_blocks - 1)]


AUXILIARY = Auxiliary(
    "avg 5 stride=3 > conv 128 1 relu > flatten > dense 256 relu > dropout 0.4 > dense 10"
)

NETWORKS: dict[str, list[Part]] = {
    "lenet": [
        "conv 6 5 relu > avg 2 > conv 16 5 relu > avg 2 > flatten",
        "dense 120 relu > dense 84 relu > dense 10",
    ],
    "mlp_base": ["flatten > dense 512 relu > dense 512 relu > dense 256 relu > dense 10"],
    "mlp_model1": ["flatten > dense 512 relu > dense 512 relu > dense 512 relu > dense 10"],
    "mlp_model2": ["flatten > dense 256 relu > dense 256 relu > dense 256 relu > dense 10"],
    "mnist_vanilla": mnist("""conv 16 3 relu > conv 32 3 relu > conv 10 1 relu > max 2
        > conv 16 3 relu > conv 32 3 relu > conv 32 3 relu > conv 64 3 relu > conv 10 4"""),
    "mnist_small": mnist("""conv 8 3 relu > conv 16 3 relu > conv 10 1 relu > max 2
        > conv 8 3 relu > conv 16 3 relu > conv 16 3 relu > conv 16 3 relu > conv 10 4"""),
    "mnist_small_bn": mnist("""block 8 3 > block 16 3 > conv 10 1 relu > max 2
        > block 8 3 > block 16 3 > block 16 3 > block 16 3 > conv 10 4"""),
    "mnist_bn_dropout": mnist("""block 12 3 > block 20 3 > conv 10 1 relu > max 2
        > block 16 3 > block 16 3 > block 16 3 > block 16 3 > conv 10 4"""),
    "mnist_deep_20k": mnist("""block 8 3 > block 16 3 > block 32 3 > conv 10 1 relu > max 2
        > block 16 3 > block 32 3 > block 10 1 > block 20 3 > conv 10 5"""),
    "mnist_deep_12k": mnist("""block 10 3 > block 16 3 > conv 10 1 relu > block 20 3 > max 2
        > block 10 3 > block 16 3 > block 10 1 > block 16 3 > block 16 3 > conv 10 3"""),
    "mnist_stem64_16k": mnist("""block 64 3 > conv 10 1 relu > block 16 3 > block 16 3 > max 2
        > block 16 3 > block 16 3 > block 10 1 > block 16 3 > conv 10 5"""),
    "simpler_cnn": [
        blocks("conv {} 3 same elu > bn", "block 32 > block 32 > max 2 > dropout 0.2"),
        blocks("conv {} 3 same elu > bn", "block 64 > block 64 > max 2 > dropout 0.3"),
        blocks("conv {} 3 same elu > bn", "block 128 > block 128 > max 2 > dropout 0.4"),
        "flatten > dense 10",
    ],
    "alexnet": [
        "conv 96 3 stride=4 relu > bn > max 2 > conv 256 5 same relu > bn > max 2",
        "conv 384 3 same relu > conv 384 3 same relu > conv 256 3 same relu > max 2 > flatten",
        "dense 4096 relu > dropout 0.4 > dense 4096 relu > dropout 0.4 > dense 10",
    ],
    "alexnet_bn": [
        blocks(
            "conv {} same > bn > relu",
            """block 96 11 > max 2 > block 256 5 > max 2 > block 384 3 > max 2
            > block 384 3 > block 256 3 > max 2 > flatten""",
        ),
        "dense 4096 > bn > relu > dropout 0.5 > dense 4096 > bn > relu > dropout 0.5",
        "dense 10 > bn",
    ],
    "vgg16_bn": [
        blocks(
            "conv {} 3 same relu > bn",
            """block 64 > block 64 > max 2 > block 128 > block 128 > max 2
            > block 256 > block 256 > block 256 > max 2 > block 512 > block 512 > block 512 > max 2
            > block 512 > block 512 > block 512 > max 2 > flatten""",
        ),
        "dense 4096 relu > bn > dropout 0.5 > dense 4096 relu > bn > dropout 0.5 > dense 10",
    ],
    "googlenet": [
        "pad 3 3 > conv 32 3 stride=2 > bn > relu > max 2 stride=1",
        "conv 192 3 > bn > relu > conv 192 3 > bn > relu > max 2 stride=1",
        Inception(64, 96, 128, 16, 32, 32),
        Inception(128, 128, 192, 32, 96, 64),
        "max 2 stride=1",
        Inception(192, 96, 208, 16, 48, 64),
        AUXILIARY,
        Inception(160, 112, 224, 24, 64, 64),
        Inception(128, 128, 256, 24, 24, 64),
        Inception(112, 144, 288, 32, 64, 64),
        AUXILIARY,
        Inception(256, 120, 320, 32, 128, 128),
        "max 2 stride=1",
        Inception(256, 160, 320, 32, 128, 128),
        Inception(384, 192, 384, 48, 128, 128),
        "avg 7 stride=1 > dropout 0.4 > flatten > dense 1000 relu > dense 10",
    ],
    "resnet50": [
        # 3 of the network's own, and "same" for 38x38 at stride 2
        "pad 5 6 > conv 64 7 stride=2 > bn > relu > max 3 stride=2",
        *stage(64, 3, stride=1),
        *stage(128, 4),
        *stage(256, 6),
        *stage(512, 3),
        "avg 2 > flatten > dense 10",
    ],
}

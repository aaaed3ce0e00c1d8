"""The texts of `networks.py` as torch modules.

Modules are lazy: they say their output sizes alone. Images are float (batch, channels, height,
width) in channels_last memory; ReLU and ELU work in place.
"""

import functools
import warnings

import networks
import torch
from networks import Auxiliary, Bottleneck, Inception, Layer, Part
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS = {
    "relu": functools.partial(nn.ReLU, inplace=True),
    "elu": functools.partial(nn.ELU, inplace=True),
}


class Flatten(nn.Module):
    """Each example as one vector, channels last: a view, where `nn.Flatten` would copy."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, height * width * channels)."""
        return x.permute(0, 2, 3, 1).flatten(1)


def conv(layer: Layer) -> nn.Module:
    """Return a convolution."""
    filters, size = layer.numbers
    padding = "same" if layer.is_same else 0
    return nn.LazyConv2d(filters, size, stride=layer.stride or 1, padding=padding)


def max_pool(layer: Layer) -> nn.Module:
    """Return a pool; "same" only for odd windows with stride 1."""
    (size,) = layer.numbers
    return nn.MaxPool2d(size, layer.stride or size, padding=size // 2 if layer.is_same else 0)


def batch_norm(is_vector: bool) -> nn.Module:
    """BatchNorm, of images or of vectors."""
    make = nn.LazyBatchNorm1d if is_vector else nn.LazyBatchNorm2d
    return make(eps=1e-3, momentum=0.01)


def pad(layer: Layer) -> nn.Module:
    """Return a layer of zeros above and to the left, below and to the right."""
    before, after = layer.numbers
    return nn.ZeroPad2d((before, after, before, after))


KINDS = {
    "conv": conv,
    "dense": lambda layer: nn.LazyLinear(*layer.numbers),
    "max": max_pool,
    "avg": lambda layer: nn.AvgPool2d(*layer.numbers, stride=layer.stride or None),
    "pad": pad,
    "dropout": lambda layer: nn.Dropout(*layer.numbers),
    "flatten": lambda layer: Flatten(),
}


def chain(text: str) -> nn.Module:
    """Return the layers of a text, one after another; "" is the identity."""
    modules, is_vector = [], False
    for layer in networks.parse(text) if text else ():
        is_vector |= layer.kind in ("flatten", "dense")
        if layer.kind == "bn":
            modules.append(batch_norm(is_vector))
        elif layer.kind in ACTIVATIONS:
            modules.append(ACTIVATIONS[layer.kind]())
        else:
            modules.append(KINDS[layer.kind](layer))
        if layer.activation:
            modules.append(ACTIVATIONS[layer.activation]())
    return nn.Sequential(*modules)


class Branches(nn.Module):
    """An `Inception`."""

    def __init__(self, part: Inception):
        super().__init__()
        self.branches = nn.ModuleList(chain(text) for text in part.branches)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, f1 + f2 + f3 + f4, height, width)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class Residual(nn.Module):
    """A `Bottleneck`."""

    def __init__(self, part: Bottleneck):
        super().__init__()
        self.main, self.shortcut = chain(part.main), chain(part.shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, 4 * width, height', width')."""
        out = self.main(x)
        out += self.shortcut(x)
        return functional.relu_(out)


class Head(nn.Module):
    """An `Auxiliary`."""

    def __init__(self, part: Auxiliary):
        super().__init__()
        self.layers = chain(part.text)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> logits (batch, num_classes)."""
        return self.layers(x)


MODULES = {str: chain, Inception: Branches, Bottleneck: Residual, Auxiliary: Head}


class Network(nn.Module):
    """The parts of a network."""

    def __init__(self, parts: list[Part]):
        super().__init__()
        self.parts = nn.ModuleList(MODULES[type(part)](part) for part in parts)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images -> logits (batch, num_classes) of the main head, then of the others."""
        others = []
        for part in self.parts:
            if isinstance(part, Head):
                others.append(part(x))
            else:
                x = part(x)
        return [x, *others]


def build(name: str, image_shape: tuple[int, int, int]) -> nn.Module:
    """Return a network in training mode and channels_last.

    Args:
      name: a key of `networks.NETWORKS`.
      image_shape: (height, width, channels).
    """
    height, width, channels = image_shape
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # lazy modules warn that they are new
        model = Network(networks.NETWORKS[name]).eval()
        model(torch.zeros(1, channels, height, width))
    return model.to(memory_format=torch.channels_last).train()

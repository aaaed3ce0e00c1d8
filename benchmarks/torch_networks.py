"""Torch twins of jaxcnn's networks, and their training step, for `train_step.py`.

Modules are lazy: they say their output sizes alone, as in jaxcnn/models/. Images are float
(batch, channels, height, width) in channels_last memory; ReLU and ELU work in place.
"""

import functools
import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional

AUX_WEIGHT = 0.3  # of each auxiliary head
L2 = {"simpler_cnn": 1e-4}  # on the convolutions' kernels

Dense = nn.LazyLinear
Relu = functools.partial(nn.ReLU, inplace=True)
BatchNorm = functools.partial(nn.LazyBatchNorm2d, eps=1e-3, momentum=0.01)


class Flatten(nn.Module):
    """Each example as one vector, channels last: a view, where `nn.Flatten` would copy."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, height * width * channels)."""
        return x.permute(0, 2, 3, 1).flatten(1)


def conv(filters: int, size: int, padding: str = "valid") -> list[nn.Module]:
    """A convolution with ReLU."""
    return [nn.LazyConv2d(filters, size, padding=padding), Relu()]


def conv_bn(filters: int, size: int, **options: Any) -> list[nn.Module]:
    """A convolution, BatchNorm, ReLU."""
    return [nn.LazyConv2d(filters, size, **options), BatchNorm(), Relu()]


def lenet(num_classes: int) -> nn.Module:
    """As jaxcnn/models/lenet.py."""
    return nn.Sequential(
        *conv(6, 5),
        nn.AvgPool2d(2),
        *conv(16, 5),
        nn.AvgPool2d(2),
        Flatten(),
        *(Dense(120), Relu()),
        *(Dense(84), Relu()),
        Dense(num_classes),
    )


def mlp_model2(num_classes: int) -> nn.Module:
    """As jaxcnn/models/mlp.py with three hidden layers of 256."""
    hidden = [layer for width in (256, 256, 256) for layer in (Dense(width), Relu())]
    return nn.Sequential(Flatten(), *hidden, Dense(num_classes))


def mnist_bn_dropout(num_classes: int) -> nn.Module:
    """As jaxcnn/models/mnist.py."""

    def block(filters: int) -> list[nn.Module]:
        return [*conv(filters, 3), BatchNorm(), nn.Dropout(0.1)]

    return nn.Sequential(
        *block(12),
        *block(20),
        *conv(10, 1),
        nn.MaxPool2d(2),
        *(layer for _ in range(4) for layer in block(16)),
        nn.LazyConv2d(num_classes, 4),
        Flatten(),
    )


def simpler_cnn(num_classes: int) -> nn.Module:
    """As jaxcnn/models/simpler_cnn.py; its L2 is in `L2`."""

    def stage(filters: int, dropout: float) -> list[nn.Module]:
        layers = []
        for _ in range(2):
            convolution = nn.LazyConv2d(filters, 3, padding="same")
            layers += [convolution, nn.ELU(inplace=True), BatchNorm()]
        return [*layers, nn.MaxPool2d(2), nn.Dropout(dropout)]

    stages = [*stage(32, 0.2), *stage(64, 0.3), *stage(128, 0.4)]
    return nn.Sequential(*stages, Flatten(), Dense(num_classes))


class Inception(nn.Module):
    """Four branches, concatenated on the channels."""

    def __init__(self, f1: int, f2_in: int, f2: int, f3_in: int, f3: int, f4: int):
        super().__init__()
        same = functools.partial(conv, padding="same")
        branches = (
            same(f1, 1),
            [*same(f2_in, 1), *same(f2, 3)],
            [*same(f3_in, 1), *same(f3, 5)],
            [nn.MaxPool2d(3, stride=1, padding=1), *same(f4, 1)],
        )
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, f1 + f2 + f3 + f4, height, width)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class GoogLeNet(nn.Module):
    """As jaxcnn/models/googlenet.py: three parts, auxiliary heads after the first two."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.first = nn.Sequential(
            nn.ZeroPad2d(3),
            *conv_bn(32, 3, stride=2),
            nn.MaxPool2d(2, stride=1),
            *conv_bn(192, 3),
            *conv_bn(192, 3),
            nn.MaxPool2d(2, stride=1),
            Inception(64, 96, 128, 16, 32, 32),
            Inception(128, 128, 192, 32, 96, 64),
            nn.MaxPool2d(2, stride=1),
            Inception(192, 96, 208, 16, 48, 64),
        )
        self.second = nn.Sequential(
            Inception(160, 112, 224, 24, 64, 64),
            Inception(128, 128, 256, 24, 24, 64),
            Inception(112, 144, 288, 32, 64, 64),
        )
        self.third = nn.Sequential(
            Inception(256, 120, 320, 32, 128, 128),
            nn.MaxPool2d(2, stride=1),
            Inception(256, 160, 320, 32, 128, 128),
            Inception(384, 192, 384, 48, 128, 128),
            nn.AvgPool2d(7, stride=1),
            nn.Dropout(0.4),
            Flatten(),
            *(Dense(1000), Relu()),
            Dense(num_classes),
        )
        self.aux1, self.aux2 = self.auxiliary(num_classes), self.auxiliary(num_classes)

    @staticmethod
    def auxiliary(num_classes: int) -> nn.Module:
        """A classifier on an inner feature map."""
        layers = [nn.AvgPool2d(5, stride=3), *conv(128, 1), Flatten(), Dense(256), Relu()]
        return nn.Sequential(*layers, nn.Dropout(0.4), Dense(num_classes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images -> logits (batch, num_classes) of the main head and the two auxiliary ones."""
        first = self.first(x)
        second = self.second(first)
        return self.third(second), self.aux1(first), self.aux2(second)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut; the stride is on the first 1x1."""

    def __init__(self, filters: tuple[int, int, int], stride: int, project: bool):
        super().__init__()
        first, second, third = filters
        self.main = nn.Sequential(
            *conv_bn(first, 1, stride=stride),
            *conv_bn(second, 3, padding="same"),
            *conv_bn(third, 1)[:-1],
        )
        projection = conv_bn(third, 1, stride=stride)[:-1] if project else []
        self.shortcut = nn.Sequential(*projection)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, third, height', width')."""
        out = self.main(x)
        out += self.shortcut(x)
        return functional.relu_(out)


def resnet50(num_classes: int) -> nn.Module:
    """As jaxcnn/models/resnet.py."""

    def stage(filters: tuple[int, int, int], blocks: int, stride: int = 2) -> list[nn.Module]:
        first = Bottleneck(filters, stride, project=True)
        return [first, *(Bottleneck(filters, 1, project=False) for _ in range(blocks - 1))]

    return nn.Sequential(
        nn.ZeroPad2d((5, 6, 5, 6)),  # 3 of the network's own, and "same" for 38x38 at stride 2
        *conv_bn(64, 7, stride=2),
        nn.MaxPool2d(3, stride=2),
        *stage((64, 64, 256), blocks=3, stride=1),
        *stage((128, 128, 512), blocks=4),
        *stage((256, 256, 1024), blocks=6),
        *stage((512, 512, 2048), blocks=3),
        nn.AvgPool2d(2),
        Flatten(),
        Dense(num_classes),
    )


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "lenet": lenet,
    "mnist_bn_dropout": mnist_bn_dropout,
    "mlp_model2": mlp_model2,
    "simpler_cnn": simpler_cnn,
    "googlenet": GoogLeNet,
    "resnet50": resnet50,
}


def build(name: str, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """The twin of a network, in training mode and channels_last.

    Args:
      name: a key of `NETWORKS`.
      num_classes: the number of logits.
      image_shape: (height, width, channels).
    """
    height, width, channels = image_shape
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # lazy modules warn that they are new
        model = NETWORKS[name](num_classes).eval()
        model(torch.zeros(1, channels, height, width))
    return model.to(memory_format=torch.channels_last).train()


def cross_entropy(outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
    """The batch's mean cross-entropy, and the scores whose argmax is the prediction.

    Several heads (the main one first) are mixed as probabilities, as jaxcnn's "prob_mix" does.

    Args:
      outputs: logits (batch, num_classes), or a tuple of several heads' logits.
      labels: int64 (batch,).
    """
    if isinstance(outputs, Tensor):
        return functional.cross_entropy(outputs, labels), outputs
    weights = [1.0] + [AUX_WEIGHT] * (len(outputs) - 1)
    weighted = [
        math.log(weight / sum(weights)) + functional.log_softmax(logits, -1)
        for weight, logits in zip(weights, outputs, strict=True)
    ]
    mixed = torch.logsumexp(torch.stack(weighted), 0)
    return functional.nll_loss(mixed, labels), mixed


class Trainer:
    """Torch as its users run it at its fastest without a compiler; a round is an epoch.

    `config` is jaxcnn's; `images` are uint8 (num_images, height, width, channels), `labels` int32
    (num_images,), of `num_classes` classes.
    """

    def __init__(
        self, network: str, config: Any, images: np.ndarray, labels: np.ndarray, num_classes: int
    ):
        self.batch_size = config.global_batch_size
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels).long()
        self.model = build(network, num_classes, images.shape[1:])
        self.optimizer = make_optimizer(self.model, config.optimizer)
        self.l2 = L2.get(network, 0.0)
        modules = self.model.modules()
        self.kernels = [module.weight for module in modules if isinstance(module, nn.Conv2d)]
        self.loss_sum, self.num_correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        self.trainable_parameters = sum(p.numel() for p in self.model.parameters())
        averages = sum(b.numel() for b in self.model.buffers() if b.is_floating_point())
        self.parameters = self.trainable_parameters + averages

    def train(self, num_steps: int) -> float:
        """Trains for the first steps of an epoch; returns the seconds they took."""
        order = torch.randperm(len(self.labels)).split(self.batch_size)
        started = time.perf_counter()
        for indices in order[:num_steps]:
            self._step(indices)
        return time.perf_counter() - started

    def _step(self, indices: Tensor) -> None:
        images, labels = self.images[indices], self.labels[indices]
        images = images.permute(0, 3, 1, 2).float().div_(255)  # channels_last, as they lie
        loss, scores = cross_entropy(self.model(images), labels)
        if self.l2:
            loss = loss + self.l2 * sum(kernel.square().sum() for kernel in self.kernels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.loss_sum += loss.detach() * len(labels)
        self.num_correct += (scores.detach().argmax(-1) == labels).sum()


def make_optimizer(model: nn.Module, settings: Any) -> optim.Optimizer:
    """The `optimizer` part of a config (adam or momentum), in torch's fused form."""
    common = {"lr": settings.learning_rate, "fused": True}
    if settings.name == "momentum":
        return optim.SGD(model.parameters(), momentum=settings.momentum, **common)
    betas = (settings.b1, settings.b2)
    return optim.Adam(model.parameters(), betas=betas, eps=settings.eps, **common)

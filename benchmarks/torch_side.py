"""torch's side of the benchmarks, with the fastest settings that its users have.

On a CPU: eager, channels_last, one thread per core, fused optimizer, in float32 or with autocast to
bfloat16. On a GPU: autocast, and `torch.compile`.
"""

import math
from collections.abc import Iterator
from multiprocessing import get_all_start_methods
from typing import Any

import machine
import numpy as np
import torch
from networks import AUXILIARY_WEIGHT, L2, L2_WEIGHT
from PIL import Image, ImageOps
from recipes import EVAL_BATCH_SIZE, PADDING, pixel_moments, random_examples
from sides import Job
from torch import Tensor, nn, optim
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torch_networks import build

from jaxcnn.data.loading import dataset_sizes

MODULES = {"conv": nn.Conv2d, "dense": nn.Linear}
NUM_WORKERS = 2


class Augmented(Dataset):
    """Examples that are cropped and flipped one by one.

    The steps are those of torchvision's CIFAR10, RandomCrop(padding=4), RandomHorizontalFlip,
    ToTensor and Normalize.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images, labels
        mean, std = pixel_moments(images.shape[-1]) / 255
        self.mean, self.std = (torch.from_numpy(x).view(-1, 1, 1) for x in (mean, std))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return an image, float (channels, height, width), and its label."""
        pixels = self.images[index]
        height, width, channels = pixels.shape
        picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        picture = ImageOps.expand(picture, border=PADDING, fill=0)
        top, left = (torch.randint(0, 2 * PADDING + 1, (1,)).item() for _ in range(2))
        picture = picture.crop((left, top, left + width, top + height))
        if torch.rand(1) < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = torch.from_numpy(np.array(picture)).view(height, width, channels)
        image = image.permute(2, 0, 1).contiguous().float().div(255)
        return image.sub_(self.mean).div_(self.std), int(self.labels[index])


class Worker:
    """A network and its data; each method does its task `count` times.

    Args:
      job: the network, its config and its data.
      num_workers: number of the DataLoader's processes.
      mode: mode of `torch.compile`, on a GPU.
      precision: "bfloat16" for autocast to it; a GPU always does.
    """

    def __init__(
        self,
        job: Job,
        *,
        num_workers: int = NUM_WORKERS,
        mode: str = "default",
        precision: str = "float32",
    ):
        network, config = job.network, job.config
        self.device = torch.device("cuda" if machine.has_gpu() else "cpu")
        self.on_gpu = self.device.type == "cuda"
        self.casts = self.on_gpu or precision == "bfloat16"
        torch.set_num_threads(machine.num_cores())
        _, image_shape = dataset_sizes(config.dataset)
        images, labels = random_examples(job.size, image_shape)
        self.loader = DataLoader(
            Augmented(images, labels),
            config.global_batch_size,
            shuffle=True,
            num_workers=num_workers,
            # this process was spawned, and by default its own would be too: each imports torch anew
            multiprocessing_context=get_all_start_methods()[0] if num_workers else None,
            persistent_workers=num_workers > 0,
            pin_memory=self.on_gpu,
        )
        self.images = torch.from_numpy(images).to(self.device)
        self.labels = torch.from_numpy(labels).long().to(self.device)
        self.batch_size = config.global_batch_size
        self.model = build(network, image_shape).to(self.device)
        self.forward = torch.compile(self.model, mode=mode) if self.on_gpu else self.model
        self.optimizer = make_optimizer(self.model, config.optimizer)
        kinds = tuple(MODULES[kind] for kind in L2.get(network, ()))
        self.kernels = [m.weight for m in self.model.modules() if isinstance(m, kinds)]
        self.sums = torch.zeros(2, device=self.device)  # of the loss and of the correct predictions
        trainable = sum(p.numel() for p in self.model.parameters())
        averages = sum(b.numel() for b in self.model.buffers() if b.is_floating_point())
        self.about = {
            "parameters": trainable + averages,
            "trainable_parameters": trainable,
            "platform": "gpu" if self.on_gpu else "cpu",
        }

    def train_step(self, count: int) -> None:
        """Train for `count` steps, over several epochs if needed."""
        while count:
            order = torch.randperm(len(self.labels), device=self.device).split(self.batch_size)
            for indices in order[:count]:
                self._train(*self._take(indices))
            count -= len(order[:count])
        self._finish()

    def epoch(self, count: int) -> None:
        """Train for `count` epochs with the DataLoader."""
        for _ in range(count):
            for images, labels in self._loaded():
                self._train(images, labels)
        self._finish()

    def evaluation(self, count: int) -> None:
        """Sum up loss and accuracy of all images `count` times."""
        self.model.eval()
        with torch.inference_mode():
            for _ in range(count):
                for indices in torch.arange(len(self.labels)).split(EVAL_BATCH_SIZE):
                    images, labels = self._take(indices.to(self.device))
                    self._add(*self._score(images, labels), labels)
        self._finish()

    def data_feed(self, count: int) -> None:
        """Read all batches of the DataLoader `count` times."""
        for _ in range(count):
            for _ in self._loaded():
                pass
        self._finish()

    def _take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (batch, channels, height, width) in channels_last memory, and labels."""
        images = self.images[indices].permute(0, 3, 1, 2).float().div_(255)
        return images, self.labels[indices]

    def _loaded(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.loader:
            images = images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
            yield images, labels.to(self.device, non_blocking=True)

    def _train(self, images: Tensor, labels: Tensor) -> None:
        loss, scores = self._score(images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self._add(loss.detach(), scores.detach(), labels)

    def _score(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss with its L2 terms, and the scores whose argmax is the prediction."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.casts):
            loss, scores = cross_entropy(self.forward(images), labels)
        if self.kernels:
            loss = loss + L2_WEIGHT * sum(kernel.square().sum() for kernel in self.kernels)
        return loss, scores

    def _add(self, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        self.sums[0] += loss * len(labels)
        self.sums[1] += (scores.argmax(-1) == labels).sum()

    def _finish(self) -> None:
        self.sums.tolist()  # waits for the device
        self.sums.zero_()

    def device_memory(self) -> int:
        """Return the peak memory of the GPU in bytes; 0 on a CPU."""
        return torch.cuda.max_memory_allocated() if self.on_gpu else 0


def cross_entropy(heads: list[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the batch's mean cross-entropy, and the scores whose argmax is the prediction.

    Several heads (the main one first) are mixed as probabilities, as in jaxcnn's "prob_mix".

    Args:
      heads: logits (batch, num_classes).
      labels: int64 (batch,).
    """
    if len(heads) == 1:
        return functional.cross_entropy(heads[0], labels), heads[0]
    weights = [1.0] + [AUXILIARY_WEIGHT] * (len(heads) - 1)
    weighted = [
        math.log(weight / sum(weights)) + functional.log_softmax(logits, -1)
        for weight, logits in zip(weights, heads, strict=True)
    ]
    mixed = torch.logsumexp(torch.stack(weighted), 0)
    return functional.nll_loss(mixed, labels), mixed


def make_optimizer(model: nn.Module, settings: Any) -> optim.Optimizer:
    """Return the fused optimizer for the `optimizer` fields of a config: adam, momentum or sgd."""
    common = {"lr": settings.learning_rate, "fused": True}
    if settings.name == "adam":
        betas = (settings.b1, settings.b2)
        return optim.Adam(model.parameters(), betas=betas, eps=settings.eps, **common)
    momentum = settings.momentum if settings.name == "momentum" else 0.0
    return optim.SGD(model.parameters(), momentum=momentum, **common)

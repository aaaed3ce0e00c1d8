"""Keras's side of the benchmarks, on its JAX backend: `fit` and `evaluate`, as its users call them.

Images are cropped and flipped by preprocessing layers in the model, which are compiled with it, or
on the host by a PyDataset.
"""

import os
from typing import Any

import machine
import numpy as np
from recipes import EVAL_BATCH_SIZE, PADDING, random_examples
from sides import Job

if not machine.has_gpu():
    os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the GPU is shared with the others
flags = os.environ.get("XLA_FLAGS", "").split()  # the parent has set jaxcnn's
os.environ["XLA_FLAGS"] = " ".join(flag for flag in flags if "host_platform_device" not in flag)

import jax  # noqa: E402  (after its environment is set)
import keras  # noqa: E402
from keras_networks import network as apply_network  # noqa: E402

from jaxcnn.data.datasets.sizes import dataset_sizes  # noqa: E402

ON_GPU = jax.default_backend() == "gpu"
L = keras.layers


class Augmented(keras.utils.PyDataset):
    """Batches in random order, cropped and flipped by numpy."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, batch_size: int):
        super().__init__()
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self.random = np.random.default_rng(0)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return images uint8 (batch, height, width, channels), and labels."""
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        border, size = (PADDING, PADDING), self.images.shape[1:3]
        padded = np.pad(self.images[chosen], ((0, 0), border, border, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(1, 2))
        tops, lefts = self.random.integers(0, 2 * PADDING + 1, (2, len(chosen)))
        images = np.moveaxis(windows[np.arange(len(chosen)), tops, lefts], 1, -1)
        is_flipped = self.random.random(len(chosen)) < 0.5
        images[is_flipped] = images[is_flipped, :, ::-1]
        return images, self.labels[chosen]

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self.order = self.random.permutation(len(self.labels))


class Worker:
    """A compiled model and its data; each method does its task `count` times.

    Args:
      job: what to train.
      augments_on_host: crop and flip in a PyDataset, not in layers.
    """

    def __init__(self, job: Job, *, augments_on_host: bool = False):
        config = job.config
        if ON_GPU:
            keras.mixed_precision.set_global_policy("mixed_bfloat16")
        _, image_shape = dataset_sizes(config.dataset)
        self.images, self.labels = random_examples(job.size, image_shape)
        self.batch_size = config.global_batch_size
        self.augmented = None
        if augments_on_host:
            self.augmented = Augmented(self.images, self.labels, self.batch_size)
        in_layers = job.task == "epoch" and not augments_on_host
        self.model = make_model(job.network, image_shape, in_layers)
        self.model.compile(
            make_optimizer(config.optimizer),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        trainable = sum(int(np.prod(w.shape)) for w in self.model.trainable_weights)
        averages = [w for w in self.model.non_trainable_weights if "moving" in w.name]
        self.about = {
            "parameters": trainable + sum(int(np.prod(w.shape)) for w in averages),
            "trainable_parameters": trainable,
            "platform": jax.default_backend(),
        }

    def train_step(self, count: int) -> None:
        """Train for `count` steps, of as many epochs as they take."""
        epochs, steps = divmod(count, len(self.labels) // self.batch_size)
        rest = slice(steps * self.batch_size)
        if epochs:
            self._fit(self.images, self.labels, epochs)
        if steps:
            self._fit(self.images[rest], self.labels[rest], 1)

    def epoch(self, count: int) -> None:
        """Train for `count` epochs with augmentation."""
        if self.augmented is not None:
            self.model.fit(self.augmented, epochs=count, verbose=0)
        else:
            self._fit(self.images, self.labels, count)

    def _fit(self, images: np.ndarray, labels: np.ndarray, epochs: int) -> None:
        self.model.fit(images, labels, self.batch_size, epochs, verbose=0)

    def evaluation(self, count: int) -> None:
        """Evaluate all images `count` times."""
        for _ in range(count):
            self.model.evaluate(self.images, self.labels, EVAL_BATCH_SIZE, verbose=0)

    def device_memory(self) -> int:
        """Return the peak memory of the GPU in bytes; 0 on a CPU."""
        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] if ON_GPU else 0


def make_model(name: str, image_shape: tuple[int, int, int], augments: bool) -> keras.Model:
    """From uint8 images to logits."""
    images = x = keras.Input(image_shape, dtype="uint8")
    x = L.Rescaling(1 / 255)(x)
    if augments:
        # RandomCrop does not compile on JAX
        factor = PADDING / image_shape[0]
        x = L.RandomTranslation(factor, factor, "constant", "nearest")(x)
        x = L.RandomFlip("horizontal")(x)
    return keras.Model(images, L.Activation("linear", dtype="float32")(apply_network(name, x)))


def make_optimizer(settings: Any) -> keras.Optimizer:
    """Return the optimizer of a config (adam, momentum or sgd)."""
    if settings.name == "adam":
        adam, rate = keras.optimizers.Adam, settings.learning_rate
        return adam(rate, settings.b1, settings.b2, settings.eps)
    momentum = settings.momentum if settings.name == "momentum" else 0.0
    return keras.optimizers.SGD(settings.learning_rate, momentum)

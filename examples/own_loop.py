"""A network of jaxcnn in a training loop of your own, on scikit-learn's digits.

    python examples/own_loop.py [NETWORK [EPOCHS]]

It takes any network that `jaxcnn.network_names()` lists, by default LeNet, and any optimizer of
Optax. The digits have 8x8 pixels; they are enlarged to the network's size. A network with BatchNorm
needs some hundred steps, 20 epochs or more, until its running averages follow.
"""

import sys

import jax
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import jaxcnn

BATCH_SIZE = 64


def load(image_shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return training images, test images, training labels and test labels.

    Images are float32 (examples, height, width, channels), about -1 to 1. A fifth is for the test.
    """
    digits = load_digits()
    images = np.asarray(digits.images, np.float32)[..., None] / 8 - 1
    images = jax.image.resize(images, (len(images), *image_shape[:2], 1), "linear")
    images = np.repeat(images, image_shape[2], axis=3)
    return train_test_split(images, digits.target, test_size=0.2, random_state=0)


@nnx.jit
def train_step(model, optimizer, images, labels, key):
    """Update the model and the optimizer in place; return the mean loss of the batch."""

    def loss_of(model):
        logits = model(images, key=key)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean() + model.penalty()  # the L2 that some networks define; else 0

    loss, gradients = nnx.value_and_grad(loss_of)(model)
    optimizer.update(model, gradients)
    return loss


@nnx.jit
def predict(model, images):
    """Return the predicted classes (batch,)."""
    return model(images).argmax(axis=-1)


def main(name: str = "lenet", num_epochs: str = "10") -> float:
    """Train a network and print its test accuracy after each epoch; return the last one."""
    model = jaxcnn.build(name, num_classes=10, seed=0)
    optimizer = nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)
    evaluated = nnx.view(model, deterministic=True, use_running_average=True)
    images, test_images, labels, test_labels = load(model.image_shape)
    key, rng = jax.random.key(0), np.random.default_rng(0)
    for epoch in range(int(num_epochs)):
        order = rng.permutation(len(images))
        for start in range(0, len(order) - BATCH_SIZE + 1, BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            key, step_key = jax.random.split(key)
            loss = train_step(model, optimizer, images[batch], labels[batch], step_key)
        accuracy = float((predict(evaluated, test_images) == test_labels).mean())
        print(f"epoch {epoch + 1}: loss {loss:.3f}, test accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main(*sys.argv[1:])

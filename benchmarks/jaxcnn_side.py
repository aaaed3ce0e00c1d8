"""jaxcnn's side of the benchmarks: a run, called as the training loop calls it."""

import functools
import os
from typing import Any

import machine
import numpy as np
from recipes import noise
from sides import Job

from jaxcnn.process import heap, host

if not machine.has_gpu():
    os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the GPU is shared with the others
host.prepare()
heap.tidy_after_compiling()

import jax  # noqa: E402  (after `prepare`)
import jax.numpy as jnp  # noqa: E402

from jaxcnn import models  # noqa: E402
from jaxcnn.training import parallel  # noqa: E402
from jaxcnn.training.evaluate import evaluate  # noqa: E402
from jaxcnn.training.recipe import make_recipe  # noqa: E402
from jaxcnn.training.run import make_run  # noqa: E402
from jaxcnn.training.step import take_batch  # noqa: E402
from jaxcnn.workdir.position import Position  # noqa: E402

ON_GPU = jax.default_backend() == "gpu"
PRODUCT_SIZE = 8192 if ON_GPU else 2048


class Worker:
    """A run on noise; each method does its task `count` times.

    Args:
      job: the network, its config and its data.
      precision: the compute dtype, "float32" or "bfloat16".
    """

    def __init__(self, job: Job, *, precision: str = "bfloat16" if ON_GPU else "float32"):
        config = job.config
        config.precision = precision
        batch_size = config.global_batch_size
        sizes = (job.size, batch_size)  # images to train on and to evaluate
        if job.task == "evaluation":
            sizes = (batch_size, job.size)
        self.run = make_run(config, noise(config, *sizes))
        self.state, self.step, self.epochs = self.run.state, 0, 0
        self.about = {
            "parameters": self.run.num_parameters,
            "trainable_parameters": sum(x.size for x in jax.tree.leaves(self.state.params)),
            "flops_per_image": models.summary(self.run.model).flops,
            "product_flops": 2 * PRODUCT_SIZE**3,
            "platform": jax.default_backend(),
        }
        if job.task == "data_feed":
            self._feed = self._make_feed()

    def train_step(self, count: int) -> None:
        """Train for `count` steps, over as many epochs as they take."""
        while count:
            num_steps = min(count, self.run.plan.steps_per_epoch)
            self._train(num_steps)
            count -= num_steps

    def epoch(self, count: int) -> None:
        """Train for `count` epochs."""
        self.train_step(count * self.run.plan.steps_per_epoch)

    def _train(self, num_steps: int) -> None:
        """Do the first steps of a new epoch, as `jaxcnn.training.loop` does them."""
        run, data = self.run, self.run.data["train"]
        position = Position(self.step, run.plan.steps_per_epoch, self.epochs, self.step)
        order, numbers = run.train_order(self.epochs), run.epoch_numbers(position)
        end, sums = self.step + num_steps, None
        while self.step < end:
            several = run.plan.steps_per_dispatch
            at_once = several if self.step + several <= end else 1
            train = run.train_steps if at_once > 1 else run.train_step
            previous = sums
            with jax.transfer_guard("disallow"):
                self.state, sums = train(self.state, data, numbers, order)
            self.step += at_once
            parallel.wait_for(previous)
        self.epochs += 1
        jax.device_get(sums)

    def evaluation(self, count: int) -> None:
        """Evaluate the whole split `count` times."""
        for _ in range(count):
            evaluate(self.run, self.state, "test")

    def data_feed(self, count: int) -> None:
        """Take, augment and scale the batches of `count` epochs."""
        data = self.run.data["train"]
        for _ in range(count):
            order, batch = self.run.train_order(self.epochs), None
            self.epochs += 1
            for row in range(order.shape[1]):
                previous = batch
                batch = self._feed(data, order, np.int32(row))
                parallel.wait_for(previous)
            jax.block_until_ready(batch)

    def _make_feed(self) -> Any:
        """Return the part of a training step that comes before the network, as its own program."""
        run = self.run
        recipe, _, _ = make_recipe(
            run.plan.config, run.dataset, run.model, run.plan.steps_per_epoch
        )

        def feed(data, order, row):
            batch = take_batch(data, order, row)
            key = jax.random.fold_in(jax.random.key(0), row)
            images, labels = recipe.augment(
                batch["images"].astype(jnp.float32),
                batch["labels"],
                keys=jax.vmap(jax.random.fold_in, (None, 0))(key, batch["indices"]),
                batch_key=key,
                example_indices=batch["indices"],
                epoch=0,
                axis_name=parallel.AXIS,
            )
            return recipe.scale(images), labels

        return jax.pmap(feed, axis_name=parallel.AXIS, in_axes=(None, 0, None))

    def matrix_product(self, count: int) -> None:
        """Multiply a square matrix by itself, in float32 on a CPU and in bfloat16 on a GPU."""
        jax.block_until_ready([jnp.matmul(self._matrix, self._matrix) for _ in range(count)])

    @functools.cached_property
    def _matrix(self) -> Any:
        return jnp.ones((PRODUCT_SIZE, PRODUCT_SIZE), jnp.bfloat16 if ON_GPU else jnp.float32)

    def device_memory(self) -> int:
        """Return the peak memory of the GPU in bytes; 0 on a CPU."""
        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] if ON_GPU else 0

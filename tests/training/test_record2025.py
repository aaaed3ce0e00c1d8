"""The speed record of 2025: six steps equal those of the record's own modules.

The reference values come from the classes of https://github.com/hiverge/cifar10-speedrun
(`cifar10_speedrun.py`, commit 5cd49b1) in torch 2.13.0 on a CPU: `CifarNet` with the widths below,
`Muon` and `torch.optim.SGD`, all in float64 and without `torch.compile`. Weights, whitening filters
and images are drawn here; the steps are the first of 243.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commands import ROOT

from jaxcnn.config.files import config_variants
from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.optim import airbench
from jaxcnn.training.run import make_run

NUM_STEPS, BATCH = 6, 20
# summed over each batch
LOSSES = [
    46.26038278103182, 45.59653174729233, 44.28445101860357, 42.6741649730738, 41.96389387767776,
    40.926968611425885,
]  # fmt: skip
# of each array (height, width, inputs, outputs): the mean of the absolute values, and the product
# with cos(0, 1, 2, …)
PARAMETERS = {
    "['conv1']['kernel']": (0.05663904629, 3.340497293),
    "['conv2']['kernel']": (0.09970562738, 1.858333766),
    "['conv3']['kernel']": (0.1004149039, -3.982747311),
    "['conv4']['kernel']": (0.07036824929, 1.332188483),
    "['conv5']['kernel']": (0.06991731122, -2.451079372),
    "['conv6']['kernel']": (0.06874600149, -1.452016492),
    "['batch_norm1']['bias']": (0.4300182265, 0.9090652192),
    "['batch_norm2']['bias']": (0.2664642418, 0.1991698439),
    "['batch_norm3']['bias']": (0.5178097133, 3.982393804),
    "['batch_norm4']['bias']": (0.3899025893, 0.7436271461),
    "['batch_norm5']['bias']": (0.4301695339, 2.022248225),
    "['batch_norm6']['bias']": (0.4022706938, -0.5593075285),
    "['whiten']['bias']": (0.5942462833, 1.925297965),
    "['logits']['kernel']": (0.3719832601, -0.8642001734),
}


def drawn_dataset():
    """120 noisy images to train on, brighter for higher classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(NUM_STEPS * BATCH, dtype=np.int32) % 10
    images = rng.integers(0, 120, (len(labels), 32, 32, 3)) + 12 * labels[:, None, None, None]
    split = Split(images.astype(np.uint8), labels)
    pixels = split.images.astype(np.float64)
    mean, std = pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))
    names = tuple(map(str, range(10)))
    return Dataset("noise", names, {"train": split, "test": split}, mean, std, 0.0, 1.0)


def drawn(tree, seed):
    """The arrays of a tree, drawn anew in float64 with the deviation of a usual initializer."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        return rng.normal(size=leaf.shape) / np.sqrt(max(1, np.prod(leaf.shape[:-1])))

    return jax.tree.map(draw, tree)


def make_config():
    config = config_variants(ROOT / "configs")["speedrun:record2025"]()
    config.model.widths, config.precision = (8, 16, 16), "float64"
    config.num_devices, config.global_batch_size = 1, BATCH
    config.steps_per_epoch, config.num_epochs, config.num_steps = 0, 41, 243
    config.optimizer.weight_decay *= 1000  # else it would hardly show in six steps
    config.augment.update(crop=0, flip="none", brightness=0.0, contrast=0.0)
    return config


def exact_start(run, config):
    """The run's first state in float64, with settings that were never rounded to float32."""
    optimizer = config.optimizer
    state = jax.tree.map(
        lambda x: x.astype(np.float64) if x.dtype == np.float32 else x, jax.device_get(run.state)
    )
    settings = {
        "momentum": optimizer.momentum, "weight_decay": optimizer.weight_decay,
        "learning_rate": optimizer.learning_rate, "label_smoothing": config.loss.label_smoothing,
    }  # fmt: skip

    def exact(hyperparams):
        return {name: np.float64(settings.get(name, x)) for name, x in hyperparams.items()}

    kernel = drawn({"kernel": state.batch_stats["whiten"]["kernel"]}, 2)
    return state.replace(
        params=drawn(state.params, 1),
        batch_stats=state.batch_stats | {"whiten": kernel},
        hyperparams=exact(state.hyperparams) | {"seed": np.int32(0)},
        opt_state=state.opt_state._replace(hyperparams=exact(state.opt_state.hyperparams)),
    )


def six_steps():
    """The losses of the steps and the parameters after them."""
    config, losses = make_config(), []
    run = make_run(config, drawn_dataset())
    state, numbers = exact_start(run, config), run.epoch_numbers(run.plan.position())
    order = np.arange(NUM_STEPS * BATCH, dtype=np.int32).reshape(1, NUM_STEPS, BATCH)
    total = 0.0
    for _ in range(NUM_STEPS):
        state, sums = run.train_step(state, run.data["train"], numbers, jnp.asarray(order))
        losses.append(float(sums["loss"]) - total)
        total = float(sums["loss"])
    return np.array(losses), jax.device_get(state.params)


@pytest.mark.slow
def test_six_steps_are_those_of_the_record(monkeypatch):
    monkeypatch.setattr(airbench, "NEWTON_SCHULZ_DTYPE", jnp.float64)
    with jax.enable_x64(True):
        losses, params = six_steps()
    np.testing.assert_allclose(losses, LOSSES, rtol=1e-8)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    assert {jax.tree_util.keystr(path) for path, _ in leaves} == PARAMETERS.keys()
    for path, leaf in leaves:
        sizes = np.abs(leaf).mean(), leaf.ravel() @ np.cos(np.arange(leaf.size))
        # the schedule's factor is float32
        np.testing.assert_allclose(sizes, PARAMETERS[jax.tree_util.keystr(path)], rtol=1e-6)

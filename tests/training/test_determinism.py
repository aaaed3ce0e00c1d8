"""The same bits each time on a GPU: what XLA is told, and what it has no deterministic form of."""

import os
import subprocess
import sys
from pathlib import Path

import bars
import jax
import pytest
from families import FAMILIES
from flax import linen
from runs import without_times

from jaxcnn import models
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.models import model_config
from jaxcnn.ops import pooling
from jaxcnn.training.determinism import lowered, operations
from jaxcnn.training.recipe import make_hyperparams, make_recipe
from jaxcnn.training.run import make_run
from jaxcnn.training.state import create_state
from jaxcnn.training.step import make_train_step
from jaxcnn.workdir.metrics_log import read_metrics
from jaxcnn.workdir.run_files import checkpoint_steps, read_digests

QUICK = ("lenet", "mlp", "mnist_compact", "usp_cnn")
# gradients of gathers and of windows of maxima, and what hides its order or its draws
SUSPECT = {"scatter", "select_and_scatter", "rng", "rng_bit_generator", "custom_call"}


def cuda_operations(config, dataset):
    """The operations of the training step of a config, as it is compiled for CUDA."""
    shape = dataset.image_shape
    model = models.build(
        **config.model,
        num_classes=4,
        image_shape=shape,
        abstract="airbench" not in config.model.name,
    )
    recipe, params, batch_stats = make_recipe(config, dataset, model, 4)

    def make_state(params, batch_stats):
        hyperparams, ema = make_hyperparams(config), config.optimizer.ema_decay > 0
        return create_state(params, batch_stats, recipe.optimizer, hyperparams=hyperparams, ema=ema)

    state = jax.eval_shape(make_state, params, batch_stats)
    return operations(lowered(make_train_step(recipe), state, dataset.splits["train"]))


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in FAMILIES],
)
def test_no_family_s_step_has_an_operation_that_gpus_add_up_in_any_order(
    name, config, dataset28, dataset32
):
    config.model = model_config(name)
    found = cuda_operations(config, dataset28 if name.startswith("mnist") else dataset32)
    assert {"convolution", "dot_general"} & found
    assert not found & SUSPECT


def test_nor_have_augmentation_dropout_accumulation_and_averages(config, dataset28):
    config.model, config.precision = model_config("mnist_vanilla"), "bfloat16"
    config.augment.update(
        crop=2, shift=0.1, rotation=10.0, flip="alternating", cutout=4, color_jitter=0.2, mixup=0.2,
        cutmix=1.0,
    )  # fmt: skip
    config.optimizer.update(
        name="muon", accumulation_steps=2, ema_decay=0.9, skip_bad_steps=True, gradient_clip=1.0
    )
    config.loss.update(l2=1e-4, label_smoothing=0.1)
    assert not cuda_operations(config, dataset28) & SUSPECT


def test_a_step_without_a_deterministic_form_is_refused(config, dataset28, monkeypatch):
    """Its pool is XLA's window reduction, whose gradient scatters."""

    def max_pool(x, window, stride, padding):
        return linen.max_pool(x, (window, window), (stride, stride), padding.upper())

    monkeypatch.setattr(pooling, "max_pool", max_pool)
    config.model = model_config("mnist_compact")
    assert "select_and_scatter" in cuda_operations(config, dataset28)
    config.deterministic = True
    with pytest.raises(UserError, match="of mnist_compact uses select_and_scatter, which") as error:
        make_run(config, dataset28)
    assert "\n" not in str(error.value)


def test_a_run_is_deterministic_from_its_first_step_or_not_at_all(config, train, tmp_path):
    config.model, config.num_epochs = model_config("mlp", hidden=(8,)), 1
    config.deterministic = True
    train(config, tmp_path)
    assert read_json(tmp_path / "environment.json")["exact"]
    config.deterministic = False
    with pytest.raises(UserError, match="its deterministic is True, this one's is False"):
        train(config, tmp_path)


PREPARE = """
from jaxcnn.process import host
host.prepare()
from bars import make_dataset
from jaxcnn.config.defaults import default_config
from jaxcnn.models import model_config
from jaxcnn.training.run import make_run
config = default_config()
config.model, config.deterministic = model_config("mlp", hidden=(8,)), True
make_run(config, make_dataset(8))
"""


def test_xla_is_told_before_jax_starts(tmp_path):
    """XLA writes the options of each program that it compiles."""
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_dump_to={tmp_path}",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-c", PREPARE]
    subprocess.run(command, env=environment, cwd=Path(bars.__file__).parent, check=True)
    options = [path.read_text() for path in tmp_path.glob("**/compile_options.textproto")]
    assert options
    assert all("xla_gpu_deterministic_ops: true" in each for each in options)


@pytest.mark.gpu
@pytest.mark.skipif(
    os.environ.get("JAXCNN_TEST_PLATFORM", "cpu") == "cpu",
    reason="JAXCNN_TEST_PLATFORM names no accelerator",
)
def test_a_deterministic_run_gives_the_same_bits(tmp_path):
    """Each in a process of its own, which compiles its own programs."""
    runs = [tmp_path / name for name in ("a", "b")]
    for run in runs:
        flags = ["--config.num_epochs=1", "--config.num_devices=1", "--config.deterministic=True"]
        subprocess.run(
            [sys.executable, "-m", "jaxcnn.main", *flags, f"--workdir={run}"],
            env=os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "0"},
            check=True,
        )
        assert read_json(run / "environment.json")["exact"]
    steps = checkpoint_steps(runs[0])
    assert steps and steps == checkpoint_steps(runs[1])
    for step in steps:
        digests = [read_digests(run, step) for run in runs]
        del digests[0]["progress"], digests[1]["progress"]  # which have the run's name and times
        assert digests[0] == digests[1]
    rows = [without_times(read_metrics(run)) for run in runs]
    assert rows[0] == rows[1]

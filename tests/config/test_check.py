"""The check of a config: what is wrong is named, with its value and what is allowed."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_collections import ConfigDict

from jaxcnn.config.defaults import default_config, flatten
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.files import config_variants
from jaxcnn.config.help import guess_field
from jaxcnn.config.published import recipe_fields
from jaxcnn.config.recipes import modern_config
from jaxcnn.data.dataset import Dataset, Split
from jaxcnn.data.loading import dataset_sizes
from jaxcnn.errors import UserError
from jaxcnn.optim.optimizers import make_optimizer
from jaxcnn.training.run import make_run
from jaxcnn.workdir.run_config import check_config, describe_config

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("num_epochs", 0, "config.num_epochs = 0: allowed is at least 1"),
        ("num_epochs", 10**400, "config.num_epochs: too large a number"),
        ("schedule.boundaries", (1e400,), "rising positive epochs"),
        ("parallel", "gpu", "config.parallel = 'gpu': allowed is one of pmap, shard_map"),
        ("optimizer.name", "adan", "config.optimizer.name = 'adan': allowed is one of"),
        ("optimizer.learning_rate", float("nan"), "config.optimizer.learning_rate = nan"),
        ("optimizer.momentum", 1.0, "at least 0 and less than 1"),
        ("optimizer.scale_with_batch", "log", "allowed is one of none, linear, sqrt"),
        ("loss.label_smoothing", -0.1, "config.loss.label_smoothing = -0.1"),
        ("schedule.boundaries", (5, 3), "rising positive epochs"),
        ("model.name", "lenett", "config.model.name = 'lenett': there is none of this name"),
        ("model.name", "xyz", "config.model.name = 'xyz': allowed is one of airbench, "),
        ("model.name", "simpler_cnn_", "config.model.name"),
        ("dataset.label_set", "coarse", "only cifar100 has label sets"),
        ("schedule.patience", 3, "config.schedule.patience = 3 has no effect with"),
        ("schedule.min_rate", 1e-5, "'constant'; only plateau takes it"),
        ("schedule.power", 2.0, "only polynomial takes it"),
        ("schedule.restart_growth", 2.0, "only cosine_restarts takes it"),
        ("optimizer.freeze", "conv1,,", "allowed is names of layers or parameters"),
        ("optimizer.rate_factors", "conv1=-1", "allowed is entries NAME=FACTOR"),
        ("schedule.patience", 0, "config.schedule.patience = 0: allowed is at least 1"),
        ("phases", (40, 0), 'allowed is phases such as 50, "5 fresh" or "50 optimizer.learning_'),
        ("phases", (40, "5 freshly"), "config.phases = (40, '5 freshly'): allowed is phases such"),
        ("phases", (40, "5 seed=3"), "phase '5 seed=3': config.seed: a phase can change numbers"),
        ("phases", (40, "5 optimizer.lr=1"), "a run; did you mean optimizer.learning_rate?"),
        ("phases", ("5 optimizer.b1=2",), "phase '5 optimizer.b1=2': config.optimizer.b1 = 2"),
        ("phases", ("5 early_stopping.patience=0.5",), "patience = 0.5: must be of type int"),
        ("phases", ("4", "2 fresh schedule.warmup_epochs=3"), "less than config.num_epochs = 2"),
    ],
)
def test_a_wrong_value_is_named(field, value, said):
    config = default_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError) as error:
        check_config(config)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"schedule.factor": 1.0}, "config.schedule.factor = 1.0: must be less than 1 for plateau"),
        ({"schedule.min_rate": 1e-3}, "min_rate = 0.001: must be less than config.optimizer.learn"),
        (
            {"schedule.name": "exponential", "schedule.decay_rate": 0.0},
            "config.schedule.decay_rate = 0.0: must be more than 0 for exponential",
        ),
        (
            {"schedule.name": "constant", "optimizer.name": "adam_keras"}
            | {"optimizer.weight_decay": 0.1},
            "config.optimizer.weight_decay = 0.1: adam_keras takes no weight decay; use adamw",
        ),
    ],
)
def test_a_wrong_combination_is_named(fields, said):
    config = default_config()
    config.update_from_flattened_dict({"schedule.name": "plateau"} | fields)
    with pytest.raises(UserError) as error:
        check_config(config)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_steps_and_phases_exclude_each_other():
    config = default_config()
    config.phases, config.num_steps = (30, 10), 5
    with pytest.raises(UserError, match=r"config.num_steps = 5: must be 0 with config.phases"):
        check_config(config)
    config.num_steps = 0
    config.phases = (30, "10 fresh optimizer.learning_rate=1 early_stopping.patience=3")
    check_config(config)


def test_a_wrong_type_is_named():
    config = ConfigDict(default_config().to_dict(), type_safe=False)
    config.num_epochs = "many"
    with pytest.raises(UserError, match="config.num_epochs = 'many': must be of type int"):
        check_config(config)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.floats() | st.integers() | st.text(max_size=3), max_size=3).map(tuple),
    st.sampled_from([10**30, -1, 0, "..", "a\nb", "\0", "\ud800", (), {}, b"x", 1j]),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(name=st.sampled_from(sorted(flatten(default_config()))), value=values)
def test_any_value_passes_or_is_answered_in_one_line(name, value):
    config = ConfigDict(default_config().to_dict(), type_safe=False)
    *path, field = name.split(".")
    functools.reduce(getattr, path, config)[field] = value
    try:
        check_config(config)
    except UserError as error:
        assert str(error).isprintable() and len(str(error)) < 1000, error


def test_an_unknown_field_and_option_are_named():
    config = default_config().unlock()
    config.optimizer.unlock()
    config.optimizer.rate = 0.1
    with pytest.raises(UserError, match="config.optimizer.rate is not a field"):
        check_config(config)
    config = default_config().unlock()
    config.model.unlock()
    config.model.depth = 3
    with pytest.raises(UserError, match="network lenet has no option 'depth'"):
        check_config(config)


def test_every_field_has_its_help():
    text = describe_config()
    assert max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    for name, field in FIELDS.items():
        assert f"--config.{name}=" in words and field.help in words
    assert "--config.optimizer.learning_rate=0.001 (at least 0) The rate" in words
    assert "usp_cnn_mixed_padding: padding='mixed'" in words


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("learning_rate", "; did you mean optimizer.learning_rate?"),
        ("optimizer.lr", "; did you mean optimizer.learning_rate?"),
        ("lr", "; did you mean optimizer.learning_rate?"),
        ("batch_size", "; did you mean global_batch_size?"),
        ("epochs", "; did you mean num_epochs?"),
        ("optimizer.warmup_epochs", "; did you mean schedule.warmup_epochs?"),
        (
            "name",
            "; did you mean dataset.name or loss.name or model.name or optimizer.name or "
            "schedule.name?",
        ),
        ("xyzzy", ""),
        ("", ""),
    ],
)
def test_a_wrong_name_gets_a_guess(name, said):
    assert guess_field(name, flatten(default_config())) == said


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("model.name", "lenett", "did you mean lenet"),
        ("model.name", "resnet", "did you mean resnet50 or resnet34 or resnet18?"),
        ("optimizer.name", "adm", "did you mean adam or adamw?"),
        ("schedule.name", "cosin", "did you mean cosine?"),
    ],
)
def test_a_wrong_choice_gets_a_guess(field, value, said):
    config = default_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError) as error:
        check_config(config)
    assert said in str(error.value)


def test_a_missing_field_is_named():
    config = default_config().unlock()
    del config["seed"]
    with pytest.raises(UserError, match="config.seed is missing"):
        check_config(config)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"validation": "test", "test_with": "best"}, "the test split may not choose the epoch"),
        ({"optimizer.name": "adam", "optimizer.weight_decay": 0.1}, "use adamw"),
        ({"global_batch_size": 2, "optimizer.accumulation_steps": 3}, "at most"),
        ({"schedule.warmup_epochs": 40.0}, "less than config.num_epochs = 40"),
        ({"schedule.name": "step"}, "needs the epochs"),
        ({"schedule.boundaries": (3,)}, "only step takes it"),
        ({"dataset.workers": 3}, "has no effect without config.dataset.streaming"),
        ({"loss.class_weighting": "given"}, "needs a weight for each class"),
        ({"loss.class_weights": (1, 2)}, "has no effect with config.loss.class_weighting = 'none'"),
        ({"loss.focal_gamma": 1.0}, "only focal takes it"),
        ({"optimizer.freeze_epochs": 2}, "has no effect without freeze"),
        ({"optimizer.name": "sgd", "optimizer.weight_decay_factors": "a=2"}, "has no effect with"),
        ({"optimizer.name": "airbench", "optimizer.rate_factors": "a=2"}, "airbench does not take"),
        ({"dataset.split": "my.csv"}, "only folder:PATH, table:PATH and tfds:NAME take it"),
        ({"optimizer.weight_decay_factors": "a=0"}, "adam does not take them; sgd, "),
        (
            {"loss.class_weighting": "balanced", "dataset.sampling": "balanced"},
            "choose one of them",
        ),
    ],
)
def test_an_impossible_combination_is_refused(changes, said):
    config = default_config()
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=said):
        check_config(config)


VARIANTS = config_variants(CONFIGS)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_config_is_sound(name):
    check_config(VARIANTS[name]())


QUICK = ("lenet:cifar100", "mnist:compact")
LARGE = ("densenet", "googlenet", "resnet", "vgg", "wide_resnet", "xception")


def marks_of(name):
    if name in QUICK:
        return ()
    return pytest.mark.long if name.startswith(LARGE) else pytest.mark.slow


def noise(config):
    """Twenty images of noise in the sizes of the config's dataset."""
    num_classes, image_shape = dataset_sizes(config.dataset)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, 20).astype(np.int32)
    if config.dataset.name == "ferplus":  # the votes
        labels = rng.dirichlet(np.ones(num_classes), 20).astype(np.float32)
    split = Split(rng.integers(0, 256, (20, *image_shape), dtype=np.uint8), labels)
    statistics = (
        np.full(image_shape[-1:], 127, np.float32),
        np.full(image_shape[-1:], 74, np.float32),
    )
    names = tuple(map(str, range(num_classes)))
    splits = {"train": split, "validation": split, "test": split}
    return Dataset("noise", names, splits, *statistics, 127.0, 74.0)


@pytest.mark.parametrize("name", [pytest.param(n, marks=marks_of(n)) for n in VARIANTS])
def test_every_config_trains_a_step(name):
    config = VARIANTS[name]()
    config.num_devices, config.global_batch_size = 1, 4
    config.steps_per_epoch, config.num_steps = min(config.steps_per_epoch, 5), 0
    run = make_run(config, noise(config))
    before = jax.tree.map(np.asarray, run.state.params)
    arguments = (
        run.state,
        run.data["train"],
        run.epoch_numbers(run.plan.position()),
        run.train_order(0),
    )
    quick = {"xla_backend_optimization_level": 0}  # compiling is all that costs time here
    step = run.train_step.lower(*arguments).compile(compiler_options=quick)
    state, _ = step(*arguments)
    assert float(state.sums["count"]) == 4 and np.isfinite(float(state.sums["loss"]))
    moved = jax.tree.map(lambda a, b: np.abs(a - np.asarray(b)).max(), before, state.params)
    assert 0 < max(jax.tree.leaves(moved)) < 1


def test_the_modern_weight_decay_is_pytorch_s_in_the_long_run():
    """Under a constant gradient a weight takes the way that coupled weight decay 5e-4 gives it."""
    config = modern_config().optimizer
    ways = []
    for coupled, decoupled in ((5e-4, 0.0), (0.0, config.weight_decay)):
        config.weight_decay = decoupled
        optimizer = make_optimizer(config)

        def step(carry, _, coupled=coupled, optimizer=optimizer):
            params, state = carry
            gradients = jax.tree.map(lambda w: 0.05 + coupled * w, params)
            updates, state = optimizer.update(gradients, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), params["kernel"][0, 0]

        params = {"kernel": jnp.full((1, 1), 10.0)}
        ways.append(jax.lax.scan(step, (params, optimizer.init(params)), length=3000)[1])
    assert ways[0][-1] < -70
    np.testing.assert_allclose(*ways, atol=0.2)


def test_an_unknown_variant_is_named():
    get_config = VARIANTS["lenet:cifar100"].func
    with pytest.raises(UserError, match="no variant 'imagenet'; allowed is one of cifar10"):
        get_config("imagenet")


def test_both_forms_of_the_three_phases_are_one_recipe():
    """That of one command, and that which a run has after three commands."""
    config = VARIANTS["usp_cnn:phases"]()
    extended = VARIANTS["usp_cnn:same_padding"]()
    extended.num_epochs, extended.phases = 105, ("50", "5", "50")
    assert recipe_fields(config) == recipe_fields(extended)
    extended.phases = ()
    assert recipe_fields(config) != recipe_fields(extended)

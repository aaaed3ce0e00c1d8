"""Mistakes in a user's parts end a run before it starts, in one line with the file and the line."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.evaluation.metrics import try_metrics
from jaxcnn.models import build, model_config
from jaxcnn.nn.layers import Conv, Dense, Flatten
from jaxcnn.optim.optimizers import make_optimizer
from jaxcnn.training.run import make_run
from jaxcnn.training.trial import try_parts

pytestmark = pytest.mark.usefixtures("own_parts")


def bug(*_, **__):
    return [][1]


def line_of(function):
    return inspect.getsourcelines(function)[1]


def fails(function, text):
    with pytest.raises(UserError) as raised:
        function()
    message = str(raised.value)
    assert text in message and "\n" not in message and "'mine'" in message, message
    assert f"{__file__}:" in message, message
    return message


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda scores, targets: scores.mean(), "must return a float array (8,), not float32 ()"),
        (lambda scores, targets: scores, "not float32 (8, 4)"),
        (lambda scores, targets: scores.argmax(-1), "not int32 (8,)"),
        (lambda scores, targets: None, "not None"),
        (lambda scores, targets: jnp.log(scores).sum(-1), "gives nan for one-hot targets"),
        (lambda scores, targets: jnp.sqrt(0 * scores).sum(-1), "gives nan as the gradient"),
        (lambda scores, targets: scores[:, 0] if scores[0, 0] > 0 else 0, "use jnp.where for if"),
        (lambda scores, targets: np.log(scores)[:, 0], "TracerArrayConversionError"),
        (bug, f":{line_of(bug) + 1}): IndexError: list index out of range"),
    ],
)
def test_a_wrong_loss(config, dataset, function, text):
    jaxcnn.loss("mine")(function)
    config.loss.name = "mine"
    fails(lambda: try_parts(config, dataset, 5, 10), text)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda image, key: image[:8], "must return a float array (16, 16, 1), not float32 (8,"),
        (lambda image, key: image.astype(jnp.uint8), "not uint8 (16, 16, 1)"),
        (lambda image, key: image / 0, "for a training image"),
        (bug, "IndexError"),
    ],
)
def test_a_wrong_augmentation(config, dataset, function, text):
    jaxcnn.augmentation("mine")(function)
    config.augment.extra = ("mine",)
    fails(lambda: try_parts(config, dataset, 5, 10), text)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda config, **_: 0.5, "must return a function of the step, not 0.5"),
        (lambda config, **_: lambda step: jnp.ones(2), "must return one number, not float32 (2,)"),
        (lambda config, **_: lambda step: 1 / (step - 5), "gives inf at step 5 of 10"),
        (lambda config, **_: lambda step: 1.0 if step < 3 else 0.0, "use jnp.where for if"),
        (lambda config, **_: bug, "IndexError"),
        (lambda config, **_: config.missing, "missing"),
    ],
)
def test_a_wrong_schedule(config, dataset, function, text):
    jaxcnn.schedule("mine")(function)
    config.schedule.name = "mine"
    fails(lambda: try_parts(config, dataset, 5, 10), text)


def test_a_schedule_is_tried_with_the_steps_of_the_run(config, dataset):
    steps = []

    @jaxcnn.schedule("mine")
    def mine(config, *, num_steps, **_):
        steps.append(num_steps)
        return lambda step: 1.0

    config.model = model_config("mlp", hidden=(16,))
    config.schedule.name, config.num_steps = "mine", 7
    make_run(config, dataset)
    assert set(steps) == {7}


def update_with(change):
    return optax.GradientTransformation(
        lambda params: {"count": jnp.zeros(())},
        lambda updates, state, params=None: change(updates, state),
    )


@pytest.mark.parametrize(
    ("transformation", "text"),
    [
        (5, "must return an optax.GradientTransformation, not 5"),
        (update_with(lambda u, s: (u["kernel"], s)), "the updates of its update do not fit"),
        (update_with(lambda u, s: ({"kernel": 0.0}, s)), "['kernel'] is float32[], not float32[2"),
        (update_with(lambda u, s: (u, {"count": 0})), "the new state of its update do not fit"),
        (update_with(bug), "IndexError"),
    ],
)
def test_a_wrong_optimizer(config, transformation, text):
    jaxcnn.optimizer("mine")(lambda learning_rate, config: transformation)
    config.optimizer.name = "mine"
    optimizer, params = make_optimizer(config.optimizer), {"kernel": jnp.ones((2, 2))}

    def step():
        return jax.jit(optimizer.update)(params, optimizer.init(params), params)

    fails(step, text)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda labels, probabilities: labels, "must return one number, not array("),
        (lambda labels, probabilities: "high", "must return one number, not 'high'"),
        (lambda labels, probabilities: np.nan, "gives nan for 16 images"),
        (bug, "IndexError"),
    ],
)
def test_a_wrong_metric(function, text):
    jaxcnn.metric("mine")(function)
    fails(lambda: try_metrics(["mine"], "abcd"), text)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda num_classes: 5, "must return a list of layers, not int"),
        (lambda num_classes: [Dense(num_classes), Conv(4, 3)], "mine"),
        (lambda num_classes: bug(), "IndexError"),
    ],
)
def test_a_wrong_network(function, text):
    jaxcnn.network("mine")(function)
    fails(lambda: build("mine", num_classes=4, image_shape=(16, 16, 1)), text)


def test_a_network_with_another_output_is_answered_in_one_line():
    jaxcnn.network("mine")(lambda num_classes: [Flatten(), Dense(7)])
    with pytest.raises(UserError, match=r"^network mine: its output is \(7,\), .*class, \(4,\)$"):
        build("mine", num_classes=4, image_shape=(16, 16, 1))


def test_the_learning_rate_and_clipping_of_a_user_s_optimizer(config):
    jaxcnn.optimizer("mine")(lambda learning_rate, config: optax.sgd(learning_rate))
    config.optimizer.update(name="mine", learning_rate=0.5, gradient_clip=1.0)
    optimizer = make_optimizer(config.optimizer)
    params = {"kernel": jnp.ones(4)}
    state = optimizer.init(params)
    hyperparams = state.hyperparams | {"learning_rate": jnp.float32(0.25)}
    state = state._replace(hyperparams=hyperparams)
    updates, _ = optimizer.update({"kernel": jnp.full(4, 3.0)}, state, params)
    np.testing.assert_allclose(updates["kernel"], -0.25 * 0.5, rtol=1e-6)

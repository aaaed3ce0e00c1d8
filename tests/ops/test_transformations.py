"""Plain operations under JAX's transformations, against the CPU's forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxcnn import ops
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.blocks import Residual
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import (
    AveragePool,
    Conv,
    Dense,
    DepthwiseConv,
    Flatten,
    MaxPool,
)
from jaxcnn.nn.network import Network, split_model
from jaxcnn.ops.batch_norm import batch_normalize
from jaxcnn.ops.pooling import max_pool
from jaxcnn.ops.residual import relu_of_sum

BATCH, IMAGE_SHAPE = 3, (9, 8, 2)
QUICK = {"xla_backend_optimization_level": 0}  # compiling is all that costs time here


def make_network():
    """A network with every operation that has a form of its own on a CPU."""
    layers = [
        Conv(3, 3, activation="gelu"),
        BatchNorm(),
        MaxPool(2),  # `_max_of_four`
        MaxPool(3, stride=2, padding="same"),  # `_cpu_maxima`
        Residual(Conv(3, 1), DepthwiseConv(2, padding="same")),
        AveragePool(2, stride=1),
        Dropout(0.3),
        Flatten(),
        Dense(3, activation="gelu", name="logits"),
    ]
    return Network(layers, name="all", num_classes=3, image_shape=IMAGE_SHAPE)


@pytest.fixture(scope="module", params=["training", "evaluation"])
def case(request):
    """The loss as a function of the parameters, the parameters, and a direction; in float64."""
    with jax.enable_x64(True):
        train_graph, eval_graph, params, batch_stats = split_model(make_network())
        params, batch_stats = jax.tree.map(lambda x: x.astype(jnp.float64), (params, batch_stats))
        rng = np.random.default_rng(0)
        images = jnp.asarray(rng.standard_normal((BATCH, *IMAGE_SHAPE)))
        direction = jax.tree.map(lambda x: jnp.asarray(rng.standard_normal(x.shape)), params)
        keys = jax.random.split(jax.random.key(1), BATCH)
        is_training = request.param == "training"
        graph = train_graph if is_training else eval_graph
        mask = jnp.arange(BATCH) < BATCH - 1

        def loss(params):
            """Return the loss, and the batch statistics after it."""
            model = nnx.merge(graph, nnx.State(params), nnx.State(batch_stats))
            logits = model(images, keys=keys, mask=mask, dtype=jnp.float64)
            stats = nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))
            return jnp.sum(jnp.sin(logits) * mask[:, None]), stats

        yield loss, params, direction


def inner_product(left, right):
    return sum(jnp.vdot(x, y) for x, y in zip(*map(jax.tree.leaves, (left, right)), strict=True))


def with_bias(params, bias):
    return params | {"logits": params["logits"] | {"bias": bias}}


@pytest.fixture(scope="module")
def expected(case):
    """Value, gradient and second derivatives by the CPU's forms, which know reverse mode alone."""
    loss, params, direction = case

    @functools.partial(jax.jit, compiler_options=QUICK)
    def compute(params):
        gradient, stats = jax.grad(loss, has_aux=True)(params)

        def slope(params):
            return inner_product(jax.grad(loss, has_aux=True)(params)[0], direction)

        def bias_gradient(bias):
            return jax.grad(lambda b: loss(with_bias(params, b))[0])(bias)

        return {
            "value": loss(params)[0],
            "stats": stats,
            "gradient": gradient,
            "slope": inner_product(gradient, direction),
            "gradient_slope": jax.grad(slope)(params),
            "hessian": jax.jacrev(bias_gradient)(params["logits"]["bias"]),
        }

    with jax.enable_x64(True):
        yield compute(params)


def check_close(value, expected):
    for x, y in zip(*map(jax.tree.leaves, (value, expected)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)


def test_plain_forms_have_all_derivatives_of_the_cpus_forms(case, expected):
    loss, params, direction = case

    def value_of(params):
        return loss(params)[0]

    @functools.partial(jax.jit, compiler_options=QUICK)
    def compute(params):
        value, slope, stats = jax.jvp(loss, (params,), (direction,), has_aux=True)
        linear_value, linear = jax.linearize(value_of, params)
        gradient, gradient_slope = jax.jvp(jax.grad(value_of), (params,), (direction,))
        hessian = jax.hessian(lambda bias: value_of(with_bias(params, bias)))
        return {
            "value": value,
            "linear_value": linear_value,
            "stats": stats,
            "gradient": gradient,
            "slope": slope,
            "linear_slope": linear(direction),
            "gradient_slope": gradient_slope,
            "hessian": hessian(params["logits"]["bias"]),
        }

    with jax.enable_x64(True), ops.plain():
        values = compute(params)
    expected = expected | {"linear_value": expected["value"], "linear_slope": expected["slope"]}
    assert abs(expected["slope"]) > 1e-3
    check_close({name: values[name] for name in expected}, expected)


def test_plain_forms_map_over_parameters(case, expected):
    loss, params, direction = case
    with jax.enable_x64(True), ops.plain():
        population = jax.tree.map(lambda x, y: jnp.stack([x, x + y]), params, direction)
        gradient_of = jax.grad(loss, has_aux=True)
        gradients, stats = jax.jit(jax.vmap(gradient_of), compiler_options=QUICK)(population)
        check_close(jax.tree.map(lambda x: x[0], gradients), expected["gradient"])
        check_close(jax.tree.map(lambda x: x[0], stats), expected["stats"])


def test_the_cpus_forms_refuse_forward_mode():
    x = jnp.ones(3)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(relu_of_sum, (x,), (x,))
    with ops.plain():
        jax.jvp(relu_of_sum, (x,), (x,))


def gradient_program(case):
    loss, params, _ = case
    with jax.enable_x64(True):
        return str(jax.make_jaxpr(jax.grad(loss, has_aux=True))(params))


def test_other_platforms_and_plain_have_the_same_program_without_special_forms(case, monkeypatch):
    assert "custom_vjp" in str(jax.make_jaxpr(case[0])(case[1]))
    cpu_program = gradient_program(case)
    assert "platform_index" in cpu_program
    with ops.plain():
        plain_program = gradient_program(case)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert gradient_program(case) == plain_program
    for name in ("custom_vjp", "platform_index", "reduce_window", "select_and_scatter"):
        assert name not in plain_program


@pytest.mark.parametrize("how", [(2, 2, "valid"), (3, 3, "valid"), (3, 2, "same"), (3, 1, "valid")])
def test_tied_entries_share_the_gradient_alike(how):
    window, stride, padding = how
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.integers(0, 3, (2, 9, 9, 3)), jnp.float32)

    def pool(x):
        return max_pool(x, window, stride, padding)

    weights = jnp.asarray(rng.standard_normal(jax.eval_shape(pool, x).shape), jnp.float32)
    gradient = jax.jit(jax.value_and_grad(lambda x: jnp.sum(pool(x) * weights)))
    value, by_x = gradient(x)
    with ops.plain():
        plain_value, plain_by_x = gradient(x)
    assert plain_value == value
    np.testing.assert_allclose(plain_by_x, by_x, atol=1e-6)


def test_plain_pools_hand_on_what_is_not_finite():
    x = np.zeros((1, 6, 6, 1), np.float32)
    x[0, 0, 0], x[0, 5, 5], x[0, 0, 5] = np.nan, np.inf, -np.inf
    with ops.plain():
        out = max_pool(jnp.asarray(x), 3, 2, "same")
    np.testing.assert_array_equal(out, max_pool(jnp.asarray(x), 3, 2, "same"))
    assert np.isnan(out[0, 0, 0, 0]) and np.isposinf(out[0, 2, 2, 0])


def test_plain_batch_norm_over_two_devices_equals_the_cpus_form():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((4, 3, 3, 2)) + 1, jnp.float32)
    weights = jnp.asarray(rng.standard_normal(x.shape), jnp.float32)
    scale, bias, mask = jnp.array([1.0, 2.0]), jnp.array([0.0, 1.0]), jnp.arange(4) < 3

    def gradients(x, weights, mask):
        def loss(*arrays):
            return jnp.sum(batch_normalize(*arrays, mask, 1e-3, "batch")[0] ** 2 * weights)

        by_x, *others = jax.grad(loss, (0, 1, 2))(x, scale, bias)
        return by_x, *jax.lax.psum(others, "batch")

    mesh = Mesh(np.array(jax.devices()[:2]), ("batch",))
    mapped = jax.shard_map(
        gradients,
        mesh=mesh,
        in_specs=(P("batch"),) * 3,
        out_specs=(P("batch"), P(), P()),
        check_vma=False,
    )
    mapped = jax.jit(mapped)
    expected = mapped(x, weights, mask)
    with ops.plain():
        for value, reference in zip(mapped(x, weights, mask), expected, strict=True):
            np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-5)

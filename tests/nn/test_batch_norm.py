"""BatchNorm and Dropout: masks, devices, keys, train and eval mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from scipy.stats import chisquare

from jaxcnn.errors import UserError
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.context import Context
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layer import Scope
from jaxcnn.ops.batch_norm import batch_normalize
from jaxcnn.ops.random_bits import random_bits


def built(layer, shape):
    layer.build(shape, Scope().child("layer"))
    return layer


def maps(examples, scale=1.0, offset=0.0, channels=3):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((examples, 4, 4, channels), np.float32)
    return jnp.asarray(x * scale + offset)


def test_batch_norm_normalizes_and_averages():
    x = maps(8, scale=3, offset=2)
    norm = built(BatchNorm(), (4, 4, 3))
    norm.scale.set_value(jnp.full(3, 2.0))
    norm.bias.set_value(jnp.full(3, 1.0))
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))  # the biased variance
    out = norm(x, Context())
    np.testing.assert_allclose(out, (x - mean) / np.sqrt(var + 1e-3) * 2 + 1, atol=1e-5)
    np.testing.assert_allclose(norm.mean[...], 0.01 * mean, rtol=1e-4)
    np.testing.assert_allclose(norm.var[...], 0.99 + 0.01 * var, rtol=1e-5)


def test_batch_norm_in_evaluation_uses_and_keeps_the_averages():
    norm = built(BatchNorm(epsilon=0.0), (4, 4, 3))
    norm.eval()
    norm.mean.set_value(jnp.full(3, 5.0))
    norm.var.set_value(jnp.full(3, 4.0))
    x = maps(2)
    np.testing.assert_allclose(norm(x, Context()), (x - 5) / 2, rtol=1e-6)
    assert norm.mean[...].tolist() == [5.0] * 3


def test_batch_norm_is_accurate_far_from_zero():
    x = maps(64, scale=0.01, offset=1000.0)
    norm = built(BatchNorm(epsilon=0.0, decay=0.0), (4, 4, 3))
    norm(x, Context())
    exact = np.asarray(x, np.float64).var((0, 1, 2))
    np.testing.assert_allclose(norm.var[...], exact, rtol=1e-3)


def test_masked_batch_norm_sees_the_real_examples_only():
    real, padded = maps(5), jnp.concatenate([maps(5), jnp.full((3, 4, 4, 3), 1e6)])
    mask = jnp.arange(8) < 5
    alone, masked = built(BatchNorm(), (4, 4, 3)), built(BatchNorm(), (4, 4, 3))
    expected, out = alone(real, Context()), masked(padded, Context(mask=mask))
    np.testing.assert_allclose(out[:5], expected, atol=1e-6)
    np.testing.assert_allclose(masked.var[...], alone.var[...], rtol=1e-6)


def test_batch_norm_gradient_is_the_one_jax_derives():
    x, mask, weights = maps(6, scale=2, offset=1), jnp.arange(6) < 4, maps(6, offset=0.5)
    scale, bias = jnp.array([1.0, 2.0, -1.0]), jnp.array([0.0, 1.0, 2.0])

    def plain(x, scale, bias):
        mean, var = x[:4].mean((0, 1, 2)), x[:4].var((0, 1, 2))
        return (weights * ((x - mean) / jnp.sqrt(var + 1e-3) * scale + bias) ** 2).sum()

    def ours(x, scale, bias):
        return (weights * batch_normalize(x, scale, bias, mask, 1e-3, None)[0] ** 2).sum()

    expected = jax.jit(jax.grad(plain, (0, 1, 2)))(x, scale, bias)
    got = jax.jit(jax.grad(ours, (0, 1, 2)))(x, scale, bias)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_batch_norm_of_bfloat16_keeps_float32_statistics():
    norm, exact = built(BatchNorm(), (4, 4, 3)), built(BatchNorm(), (4, 4, 3))
    out = norm(maps(8, offset=2).astype(jnp.bfloat16), Context())
    exact(maps(8, offset=2), Context())
    assert (out.dtype, norm.mean[...].dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_allclose(norm.mean[...], exact.mean[...], rtol=1e-3)


def test_a_batch_without_examples_changes_nothing():
    norm = built(BatchNorm(), (4, 4, 3))
    mask = jnp.zeros(4, bool)
    graphdef, state = nnx.split(norm)
    state = nnx.to_pure_dict(state)

    def total(x):
        return nnx.merge(graphdef, nnx.State(state))(x, Context(mask=mask)).sum()

    assert np.isfinite(jax.grad(total)(maps(4))).all()
    assert np.isfinite(norm(maps(4), Context(mask=mask))).all()
    assert norm.mean[...].tolist() == [0.0] * 3
    assert norm.var[...].tolist() == [1.0] * 3


def over_devices(how, function, x, mask):
    """The function of (x, mask) on two devices, half of the batch each."""
    if how == "pmap":
        halves = [a.reshape(2, -1, *a.shape[1:]) for a in (x, mask)]
        out, stats, grad = jax.pmap(function, axis_name="batch", devices=jax.devices()[:2])(*halves)
        return out.reshape(x.shape), jax.tree.map(lambda s: s[0], stats), grad.reshape(x.shape)
    mesh = Mesh(np.array(jax.devices()[:2]), ("batch",))
    each = P("batch")
    mapped = jax.shard_map(
        function, mesh=mesh, in_specs=(each, each), out_specs=(each, P(), each), check_vma=False
    )
    return jax.jit(mapped)(x, mask)


@pytest.mark.parametrize("how", ["pmap", "shard_map"])
def test_batch_norm_over_two_devices_equals_one(how):
    graphdef, state = nnx.split(built(BatchNorm(), (4, 4, 3)))
    state = nnx.to_pure_dict(state)

    def step(x, mask, axis_name="batch"):
        def loss(x):
            norm = nnx.merge(graphdef, nnx.State(state))
            out = norm(x, Context(mask=mask, axis_name=axis_name))
            return (out**3 * mask[:, None, None, None]).sum(), (out, nnx.state(norm, nnx.BatchStat))

        grad, (out, stats) = jax.grad(loss, has_aux=True)(x)
        return out, nnx.to_pure_dict(stats), grad

    x, mask = maps(8, scale=2, offset=3), jnp.arange(8) < 5  # uneven: four examples and one
    expected = jax.jit(lambda x, mask: step(x, mask, None))(x, mask)
    got = over_devices(how, step, x, mask)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def keys_for(examples):
    return jax.random.split(jax.random.key(7), examples)


def test_dropout_follows_the_example_not_its_place():
    layer = built(Dropout(0.5), (6, 6, 4))
    x, keys = jnp.ones((8, 6, 6, 4)), keys_for(8)
    whole = layer(x, Context(keys=keys))
    order = np.array([5, 2, 7])
    np.testing.assert_array_equal(layer(x[order], Context(keys=keys[order])), whole[order])
    assert not np.array_equal(whole[0], whole[1])


def test_dropout_drops_its_share_and_keeps_the_mean():
    layer = built(Dropout(0.2), (100, 100, 1))
    out = layer(jnp.ones((8, 100, 100, 1)), Context(keys=keys_for(8)))
    assert float((out == 0).mean()) == pytest.approx(0.2, abs=0.005)
    assert float(out.max()) == pytest.approx(1 / 0.8, rel=1e-4)
    assert float(out.mean()) == pytest.approx(1, abs=0.01)


def test_layers_drop_independently():
    scope = Scope()
    first, second = Dropout(0.5), Dropout(0.5)
    for name, layer in {"a": first, "b": second}.items():
        layer.build((64,), scope.child(name))
    x, context = jnp.ones((2, 64)), Context(keys=keys_for(2))
    assert not np.array_equal(first(x, context), second(x, context))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_what_is_dropped_is_random(rate):
    """Examples, layers and units have nothing to do with each other, whatever their distance."""
    count = 10_000
    shares = [np.asarray(random_bits(keys_for(64), layer, count)) / 2**32 for layer in (0, 1)]
    first, second = (((share < rate) - rate) / np.sqrt(rate * (1 - rate)) for share in shares)

    def deviations(products):
        """How far the mean of products that should be 0 is from it."""
        return abs(products.mean()) * np.sqrt(products.size)

    assert deviations(first) < 4 and deviations(second) < 4
    assert deviations(first * second) < 4
    for distance in (1, 2, 16, 28, 100, 1024):
        assert deviations(first[:, distance:] * first[:, :-distance]) < 4, distance
    between = (first @ first.T / np.sqrt(count))[np.triu_indices(64, 1)]
    assert between.std() == pytest.approx(1, abs=0.1) and abs(between).max() < 5
    assert chisquare(np.histogram(shares[0], 256, (0, 1))[0]).pvalue > 1e-4


def test_dropout_in_evaluation_is_the_identity():
    layer = built(Dropout(0.5), (4,))
    layer.eval()
    np.testing.assert_array_equal(layer(jnp.ones((2, 4)), Context()), jnp.ones((2, 4)))


def test_dropout_without_keys_says_so():
    with pytest.raises(UserError, match="layer needs a PRNG key in training"):
        built(Dropout(0.5), (4,))(jnp.ones((2, 4)), Context())


def test_dropout_rate_is_a_share():
    with pytest.raises(UserError, match="not in"):
        Dropout(1.0)

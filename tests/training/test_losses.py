"""Losses and scores against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.training.losses import is_correct, losses_and_scores, make_targets


def test_targets():
    labels = jnp.array([2, 0])
    np.testing.assert_array_equal(make_targets(labels, 3), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(
        make_targets(labels, 3, 0.3), [[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]], rtol=1e-6
    )
    votes = jnp.array([[0.5, 0.5, 0.0]])
    np.testing.assert_array_equal(make_targets(votes, 3), votes)


def test_cross_entropy_against_a_distribution():
    logits, targets = jnp.array([[1.0, 2.0, 0.5]]), jnp.array([[0.2, 0.3, 0.5]])
    losses, _ = losses_and_scores(logits, targets)
    np.testing.assert_allclose(losses, -(targets * jnp.log(jax.nn.softmax(logits))).sum(-1))


def test_first_of_equal_votes_counts():
    targets = jnp.array([[0.4, 0.4, 0.2]])
    assert is_correct(jnp.array([[3.0, 1.0, 0.0]]), targets)[0]
    assert not is_correct(jnp.array([[1.0, 3.0, 0.0]]), targets)[0]


def _heads():
    keys = jax.random.split(jax.random.key(0), 3)
    names = ("main", "aux1", "aux2")
    return {name: jax.random.normal(key, (4, 5)) for name, key in zip(names, keys, strict=True)}


def test_prob_mix_is_minus_log_of_the_mixed_probability():
    outputs, labels = _heads(), jnp.array([0, 1, 2, 4])
    losses, scores = losses_and_scores(outputs, make_targets(labels, 5), "prob_mix")
    mixed = sum(
        weight * jax.nn.softmax(outputs[name])
        for name, weight in (("main", 1.0), ("aux1", 0.3), ("aux2", 0.3))
    )
    expected = -jnp.log(mixed[jnp.arange(4), labels] / 1.6)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_array_equal(scores.argmax(-1), mixed.argmax(-1))


def test_weighted_loss_predicts_with_the_main_head():
    outputs, targets = _heads(), make_targets(jnp.array([0, 1, 2, 4]), 5)
    losses, scores = losses_and_scores(outputs, targets, "weighted_loss")
    parts = {name: losses_and_scores(logits, targets)[0] for name, logits in outputs.items()}
    expected = parts["main"] + 0.3 * (parts["aux1"] + parts["aux2"])
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    np.testing.assert_array_equal(scores, outputs["main"])

"""Optimizers, from Optax: the numbers that a study varies are arrays in the state."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import optax

from jaxcnn.optim.airbench import airbench
from jaxcnn.optim.schedules import scaled_rate

# name → function from the config to (factory of the transformation, its hyperparameters' names)
OPTIMIZERS: dict[str, Callable[[Any], tuple[Callable, tuple[str, ...]]]] = {}


def _optimizer(name: str):
    def register(make):
        OPTIMIZERS[name] = make
        return make

    return register


def is_kernel(params: dict) -> dict:
    """Marks the leaves that regularisation applies to: matrices and filters, not biases, scales."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def make_optimizer(config: Any, global_batch_size: int = 1) -> optax.GradientTransformation:
    """The optimizer that `config` (the `optimizer` part of a run's config) names.

    Its state holds `hyperparams` (float32 arrays: `learning_rate`, `weight_decay`, `momentum`
    or `b1`, `b2`), which the step sets and a population of runs varies. `global_batch_size` is
    for an optimizer whose rates are those of a summed loss.
    """
    make, names = OPTIMIZERS[config.name](config)
    numbers = {**config, "global_batch_size": float(global_batch_size)}
    values = {name: numbers[name] for name in ("learning_rate", "weight_decay", *names)}
    return optax.inject_hyperparams(make)(**values)


def _clip(config: Any) -> optax.GradientTransformation:
    """Clipping; without it a part that does nothing, as a run may be resumed with it turned on."""
    clip = config.gradient_clip
    return optax.clip_by_global_norm(clip) if clip else optax.identity()


def _chain(config: Any, scale: optax.GradientTransformation, learning_rate, weight_decay):
    """Clipping, `scale`, decoupled weight decay, the learning rate."""
    return optax.chain(
        _clip(config),
        scale,
        optax.add_decayed_weights(weight_decay, mask=is_kernel),
        optax.scale_by_learning_rate(learning_rate),
    )


@_optimizer("sgd")
def _sgd(config):
    def make(learning_rate, weight_decay):
        return _chain(config, optax.identity(), learning_rate, weight_decay)

    return make, ()


@_optimizer("momentum")
def _momentum(config, *, nesterov: bool = False):
    """v ← momentum·v + g; w ← w − learning_rate·v."""

    def make(learning_rate, weight_decay, momentum):
        return _chain(config, optax.trace(momentum, nesterov), learning_rate, weight_decay)

    return make, ("momentum",)


OPTIMIZERS["nesterov"] = functools.partial(_momentum, nesterov=True)


@_optimizer("adam")
def _adam(config):
    def make(learning_rate, weight_decay, b1, b2):
        scale = optax.scale_by_adam(b1, b2, config.eps)
        return _chain(config, scale, learning_rate, weight_decay)

    return make, ("b1", "b2")


OPTIMIZERS["adamw"] = _adam  # the check of the config keeps weight decay from plain adam


@_optimizer("muon")
def _muon(config):
    """Momentum, orthogonalised, for the filters; Nadam for biases, scales and dense layers.

    Updates are scaled to the size of Nadam's, so one learning rate serves both.

    References: Jordan 2024, https://kellerjordan.github.io/posts/muon; Liu et al. 2025,
    https://arxiv.org/abs/2502.16982
    """

    def make(learning_rate, weight_decay, momentum):
        muon = optax.contrib.muon(
            learning_rate,
            beta=momentum,
            weight_decay=weight_decay,
            consistent_rms=0.2,  # of Nadam's updates
            muon_weight_dimension_numbers=_filters_as_matrices,
        )
        return optax.chain(_clip(config), muon)

    return make, ("momentum",)


@_optimizer("airbench")
def _airbench(config):
    """The speed record's: `learning_rate` and `momentum` are those of the filters."""

    def make(learning_rate, weight_decay, momentum, global_batch_size):
        return optax.chain(
            _clip(config),
            airbench(
                learning_rate,
                momentum,
                weight_decay,
                global_batch_size,
                first_filter_rate=scaled_rate(config, global_batch_size),
            ),
        )

    return make, ("momentum", "global_batch_size")


def _filters_as_matrices(params: dict) -> dict:
    """Filters (height, width, inputs, outputs) as matrices of (all inputs, outputs)."""
    matrix = optax.contrib.MuonDimensionNumbers((0, 1, 2), (3,))
    return jax.tree.map(lambda leaf: matrix if leaf.ndim == 4 else None, params)

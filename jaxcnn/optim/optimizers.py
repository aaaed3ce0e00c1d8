"""A registry of optimizers built from Optax; their hyperparameters are arrays in the state."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxcnn.config.part import Part
from jaxcnn.config.parts import Registry
from jaxcnn.optim.airbench import airbench
from jaxcnn.optim.airbench2025 import airbench2025
from jaxcnn.optim.patterns import factors_of
from jaxcnn.optim.schedules import scaled_rate

# By name: a function of `config.optimizer` that returns the factory of the transformation, and the
# names of the hyperparameters that the factory takes beside learning_rate and weight_decay.
_Maker = Callable[[Any], tuple[Callable, tuple[str, ...]]]
OPTIMIZERS: Registry[_Maker] = Registry("optimizer", ["learning_rate", "config"])


def optimizer(name: str) -> Callable:
    """Register a function `(learning_rate, config) -> optax.GradientTransformation`.

    The transformation turns gradients into the updates that are added to the parameters.
    `learning_rate` is the rate of the step, float32 (), with the schedule's factor applied.
    `config` is the run's `config.optimizer`. jaxcnn clips the gradients before, by
    `config.gradient_clip`. The function itself applies other settings, such as `weight_decay`.

    Args:
      name: the name in `config.optimizer.name`.

    Returns:
      The decorator.

    Raises:
      UserError: the name is taken, or the function does not take these arguments.
    """

    def make_entry(function: Callable, part: Part) -> _Maker:
        def entry(config: Any) -> tuple[Callable, tuple[str, ...]]:
            def make(learning_rate, weight_decay):
                return optax.chain(_clip(config), _checked(function(learning_rate, config), part))

            return make, ()

        return entry

    return OPTIMIZERS.decorator(name, make_entry)


def _checked(transformation: Any, part: Part) -> optax.GradientTransformation:
    """Return a user's transformation; a mistake in it is an error that names the part."""
    if not isinstance(transformation, optax.GradientTransformation):
        raise part.fault(f"must return an optax.GradientTransformation, not {transformation!r:.80}")
    init, transform = part.guard(transformation.init), part.guard(transformation.update)

    def update(gradients, state, params=None):
        updates, new_state = transform(gradients, state, params)
        for name, before, after in (
            ("updates", gradients, updates),
            ("new state", state, new_state),
        ):
            if difference := _difference(before, after):
                raise part.fault(f"the {name} of its update do not fit: {difference}")
        return updates, new_state

    return optax.GradientTransformation(init, update)


def _difference(before: Any, after: Any) -> str:
    """Return the first difference in structure, shape or dtype of two pytrees; "" if they fit."""
    if jax.tree.structure(before) != jax.tree.structure(after):
        return "another structure than before"
    for (path, old), new in zip(
        jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True
    ):
        old, new = jax.typeof(old), jax.typeof(new)
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            return f"{jax.tree_util.keystr(path)} is {new.str_short()}, not {old.str_short()}"
    return ""


def is_kernel(params: dict) -> dict:
    """Return True for each parameter to regularize: matrices and filters, not biases and scales."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def make_optimizer(
    config: Any, global_batch_size: int = 1, num_steps: int = 1
) -> optax.GradientTransformation:
    """Return the optimizer that a config names.

    Its state holds `hyperparams`, float32 () arrays by name: `learning_rate`, `weight_decay`, and
    `momentum` or `b1` and `b2`. The training step sets the learning rate there.

    Args:
      config: the `optimizer` part of a run's config, checked.
      global_batch_size: examples in a batch, for airbench and airbench2025, whose rates apply to a
        summed loss.
      num_steps: training steps of the whole run, for airbench2025.
    """
    make, names = OPTIMIZERS[config.name](config)
    sizes = {"global_batch_size": float(global_batch_size), "num_steps": float(num_steps)}
    settings = {**config, **sizes}
    values = {name: settings[name] for name in ("learning_rate", "weight_decay", *names)}
    return optax.inject_hyperparams(make)(**values)


def _clip(config: Any) -> optax.GradientTransformation:
    """Return gradient clipping; without a limit, the identity in its place.

    Both have an empty state, so that a run can resume with or without clipping.
    """
    clip = config.gradient_clip
    return optax.clip_by_global_norm(clip) if clip else optax.identity()


def _chain(config: Any, scale: optax.GradientTransformation, learning_rate, weight_decay):
    """Return the chain of clipping, `scale`, decoupled weight decay and learning rate."""
    return optax.chain(
        _clip(config),
        scale,
        _decay(config, weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def _decay(config: Any, weight_decay: ArrayLike) -> optax.GradientTransformation:
    """Return decoupled weight decay of kernels, times `config.weight_decay_factors`.

    The state is the same with factors and without, so that a run can resume with others.
    """
    field = config.weight_decay_factors
    if not field:
        return optax.add_decayed_weights(weight_decay, mask=is_kernel)

    def update(updates, state, params=None):
        factors = factors_of(params or {}, field)
        decayed = jax.tree.map(lambda g, p, f: g + weight_decay * f * p, updates, params, factors)
        return decayed, state

    init = optax.add_decayed_weights(weight_decay).init
    return optax.masked(optax.GradientTransformation(init, update), is_kernel)


@OPTIMIZERS.built_in("sgd")
def _sgd(config):
    def make(learning_rate, weight_decay):
        return _chain(config, optax.identity(), learning_rate, weight_decay)

    return make, ()


@OPTIMIZERS.built_in("momentum")
def _momentum(config, *, nesterov: bool = False):
    """v = momentum * v + gradient; w = w - learning_rate * v."""

    def make(learning_rate, weight_decay, momentum):
        return _chain(config, optax.trace(momentum, nesterov), learning_rate, weight_decay)

    return make, ("momentum",)


OPTIMIZERS.built_in("nesterov")(functools.partial(_momentum, nesterov=True))


@OPTIMIZERS.built_in("adam")
def _adam(config):
    def make(learning_rate, weight_decay, b1, b2):
        scale = optax.scale_by_adam(b1, b2, config.eps)
        return _chain(config, scale, learning_rate, weight_decay)

    return make, ("b1", "b2")


OPTIMIZERS.built_in("adamw")(_adam)  # the config's check refuses weight decay with plain adam


@OPTIMIZERS.built_in("adam_keras")
def _adam_keras(config):
    def make(learning_rate, weight_decay, b1, b2):
        scale = scale_by_adam_keras(b1, b2, config.eps)
        return _chain(config, scale, learning_rate, weight_decay)

    return make, ("b1", "b2")


def scale_by_adam_keras(b1: ArrayLike, b2: ArrayLike, eps: float) -> optax.GradientTransformation:
    """Return Adam's scaling as Keras computes it: eps is added before the bias correction.

    The update at step t is sqrt(1 - b2^t) / (1 - b1^t) * mean / (sqrt(mean of squares) + eps).
    It equals that of `adam` with eps / sqrt(1 - b2^t) in place of eps: 32 times as much at the
    first step with b2 = 0.999, and the same after some thousand steps.

    References: Kingma and Ba 2014, end of section 2, https://arxiv.org/abs/1412.6980 ("epsilon
    hat"); `update_step` of `keras.optimizers.Adam`.
    """

    def init(params):
        mu, nu = (jax.tree.map(jnp.zeros_like, params) for _ in range(2))
        return optax.ScaleByAdamState(jnp.zeros((), jnp.int32), mu, nu)

    def update(updates, state, params=None):
        count = state.count + 1
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state.nu, updates)
        correction = jnp.sqrt(1 - b2**count) / (1 - b1**count)
        scaled = jax.tree.map(lambda m, v: correction * m / (jnp.sqrt(v) + eps), mu, nu)
        return scaled, optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(init, update)


@OPTIMIZERS.built_in("muon")
def _muon(config):
    """Orthogonalized momentum for filters, and Nadam for biases, scales and dense layers.

    Muon's updates are scaled to the size of Nadam's, so that one learning rate serves both.

    References: Jordan 2024, https://kellerjordan.github.io/posts/muon; Liu et al. 2025,
    https://arxiv.org/abs/2502.16982
    """

    def make(learning_rate, weight_decay, momentum):
        muon = optax.contrib.muon(
            learning_rate,
            beta=momentum,
            weight_decay=weight_decay,
            consistent_rms=0.2,  # root mean square of Nadam's updates
            muon_weight_dimension_numbers=_filters_as_matrices,
        )
        return optax.chain(_clip(config), muon)

    return make, ("momentum",)


@OPTIMIZERS.built_in("airbench")
def _airbench(config):
    """The speed record's optimizer; `learning_rate` and `momentum` are those of the filters."""

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


@OPTIMIZERS.built_in("airbench2025")
def _airbench2025(config):
    """The optimizer of the speed record of 2025; settings as those of airbench."""

    def make(learning_rate, weight_decay, momentum, global_batch_size, num_steps):
        return optax.chain(
            _clip(config),
            airbench2025(
                learning_rate,
                momentum,
                weight_decay,
                global_batch_size,
                num_steps,
                first_filter_rate=scaled_rate(config, global_batch_size),
            ),
        )

    return make, ("momentum", "global_batch_size", "num_steps")


def _filters_as_matrices(params: dict) -> dict:
    """Mark filters (height, width, inputs, outputs) as matrices (height*width*inputs, outputs)."""
    matrix = optax.contrib.MuonDimensionNumbers((0, 1, 2), (3,))
    return jax.tree.map(lambda leaf: matrix if leaf.ndim == 4 else None, params)

"""Fine-tuning: parameters that are frozen, and factors of the learning rate by parameter."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from jaxcnn.errors import UserError
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.network import Network
from jaxcnn.optim.patterns import are_frozen, check_patterns, factors_of, is_frozen, name_of
from jaxcnn.text import integer, some_names

_SHOWN = 12  # names of frozen layers in a line


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """The parameters that are frozen, and the factors of the learning rate.

    A parameter that is frozen for the whole run has no gradient. A parameter that trains later has
    one, so the optimizer's averages know its gradients when it begins to move. While a parameter is
    frozen, it does not change by a bit, and weight decay does not act on it.

    Attributes:
      is_frozen: bool for each parameter.
      freeze_epochs: the number of first epochs with frozen parameters; 0 for all epochs.
      rate_factors: float for each parameter.
    """

    is_frozen: dict[str, Any]
    freeze_epochs: int
    rate_factors: dict[str, Any]

    def without_gradients(self, params: dict) -> dict:
        """Return the parameters; those that are frozen for the whole run have no gradient."""
        if self.freeze_epochs:
            return params
        stop = jax.lax.stop_gradient
        return jax.tree.map(lambda p, frozen: stop(p) if frozen else p, params, self.is_frozen)

    def scale(self, updates: dict) -> dict:
        """Return the updates times the factors of the learning rate."""
        return jax.tree.map(lambda u, f: u if f == 1 else u * f, updates, self.rate_factors)

    def keep_frozen(self, before: dict, after: dict, epoch: jax.Array) -> dict:
        """Return the arrays after a step; those that are frozen in the epoch stay as before."""

        def keep(old: jax.Array, new: jax.Array, may_keep: bool) -> jax.Array:
            if not may_keep:
                return new
            return jnp.where(epoch < self.freeze_epochs, old, new) if self.freeze_epochs else old

        return jax.tree.map(keep, before, after, self.is_frozen)

    def is_frozen_in(self, epoch: jax.Array) -> jax.Array | None:
        """Return whether frozen BatchNorms normalize by their averages, bool (), for a network.

        None if they are frozen for the whole run, which the network knows, or if there are none.
        """
        return epoch < self.freeze_epochs if self.freeze_epochs else None


def fine_tuning_of(config: ConfigDict, params: dict) -> FineTuning | None:
    """Return the fine-tuning of a config; None where all parameters train alike.

    Raises:
      UserError: a pattern names no parameter, or no parameter would ever train.
    """
    optimizer = config.optimizer
    check_patterns(params, optimizer)
    if not (optimizer.freeze or optimizer.rate_factors):
        return None
    return FineTuning(
        is_frozen=are_frozen(params, optimizer.freeze),
        freeze_epochs=optimizer.freeze_epochs,
        rate_factors=factors_of(params, optimizer.rate_factors),
    )


def train_graph_of(model: Network, config: ConfigDict) -> nnx.GraphDef:
    """Return the network for training, without its arrays.

    A BatchNorm whose parameters are all frozen normalizes by its running averages, which stay.

    Raises:
      UserError: a BatchNorm of Flax would have to change its mode within the run.
    """
    model.train()
    for path, module in _frozen_batch_norms(model, config.optimizer.freeze):
        if not config.optimizer.freeze_epochs:
            module.use_running_average = True
        elif isinstance(module, BatchNorm):
            module.is_frozen_at_first = True
        else:
            raise UserError(
                f"config.optimizer.freeze_epochs: {name_of(path)} is a BatchNorm of Flax, which "
                "cannot be frozen for a part of the run; set freeze_epochs = 0"
            )
    graph = nnx.split(model, nnx.Param, nnx.BatchStat)[0]
    model.train()
    return graph


def _frozen_batch_norms(model: Network, freeze: str) -> list[tuple[tuple, Any]]:
    """Return the paths and modules of the BatchNorms whose parameters are all frozen."""
    parts = []
    for path, module in nnx.iter_modules(model):
        names = [name_of((*path, n)) for n, v in vars(module).items() if isinstance(v, nnx.Param)]
        are_all = names and all(is_frozen(name, freeze) for name in names)
        if are_all and hasattr(module, "use_running_average"):
            parts.append((path, module))
    return parts


def trained_share(config: ConfigDict, params: dict) -> list[str]:
    """Return a line on how many parameters train; none where all of them do."""
    optimizer = config.optimizer
    if not optimizer.freeze:
        return []
    frozen = jax.tree.leaves_with_path(are_frozen(params, optimizer.freeze))
    sizes = [leaf.size for leaf in jax.tree.leaves(params)]
    trained = sum(size for size, (_, is_f) in zip(sizes, frozen, strict=True) if not is_f)
    layers = dict.fromkeys(name_of(path).rpartition("/")[0] for path, is_f in frozen if is_f)
    when = ""
    if epochs := optimizer.freeze_epochs:
        when = f" in the first {epochs} epochs" if epochs > 1 else " in the first epoch"
    return [
        f"trains {integer(trained)} of {integer(sum(sizes))} parameters{when}; frozen: "
        f"{some_names(list(layers), _SHOWN)}"
    ]

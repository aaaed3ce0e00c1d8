"""Start from another run's weights: what fits is taken over, the rest stays as initialised."""

import math
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

from jaxcnn.errors import UserError
from jaxcnn.files.paths import user_path
from jaxcnn.nn.network import split_model
from jaxcnn.process import devices
from jaxcnn.training.state import TrainState
from jaxcnn.workdir.weights import RunWeights, load_weights


def load_start(config: ConfigDict) -> RunWeights:
    """The network of the run that a new one of this config shall start from: the weights that it
    tests.

    Raises:
      UserError: there is none.
    """
    try:
        devices.start(config.deterministic)  # as this run needs them, not as the other did
        return load_weights(user_path(config.init_from))
    except UserError as error:
        raise UserError(f"config.init_from: {error}") from error


def start_from(start: RunWeights, state: TrainState) -> tuple[TrainState, list[str]]:
    """A fresh state with every array of the other network that has the same name and shape.

    The moving average, where there is one, starts from the same weights.

    Returns:
      The state, and lines that say what was taken and what was not.

    Raises:
      UserError: nothing fits.
    """
    _, _, params, batch_stats = split_model(start.model)
    new_params, taken, left = _take(state.params, params)
    new_stats, _, _ = _take(state.batch_stats, batch_stats)
    if not taken:
        raise UserError(
            f"config.init_from = {str(start.workdir)!r}: no array of {start.config.model.name} "
            "has a name and shape of this network's"
        )
    sizes = {name: math.prod(shape) for name, shape in (taken | left).items()}
    share = sum(sizes[name] for name in taken) / sum(sizes.values())
    lines = [f"starts from {start.workdir}: {share:.1%} of the parameters are taken over"]
    if left:
        lines.append(f"initialised afresh, as they differ: {', '.join(sorted(left))}")
    ema = jax.tree.map(lambda x: x.copy(), new_params) if state.ema else {}
    return state.replace(params=new_params, batch_stats=new_stats, ema=ema), lines


def _take(own: dict, others: dict) -> tuple[dict, dict[str, Any], dict[str, Any]]:
    """The tree with the other's arrays where they fit, and the shapes of what fits and what not."""
    own, others = flatten_dict(own, sep="/"), flatten_dict(others, sep="/")
    fits = {n: a for n, a in others.items() if n in own and own[n].shape == a.shape}
    placed = {n: jax.device_put(np.asarray(a), own[n].sharding) for n, a in fits.items()}
    tree = unflatten_dict(own | placed, sep="/")
    taken = {n: a.shape for n, a in placed.items()}
    return tree, taken, {n: a.shape for n, a in own.items() if n not in placed}

"""The start from another run's weights: arrays that fit are taken, the others stay initialized."""

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
    """Return the weights of the run that `config.init_from` names: those that the run tests.

    Raises:
      UserError: the folder holds no run, or its weights cannot be read.
    """
    try:
        devices.start(config.deterministic)  # this run's setting, before the other run is loaded
        return load_weights(user_path(config.init_from))
    except UserError as error:
        raise UserError(f"config.init_from: {error}") from error


def start_from(start: RunWeights, state: TrainState) -> tuple[TrainState, list[str]]:
    """Return a new run's state with each array of another network that has its name and shape.

    A moving average starts from the same weights.

    Args:
      start: the other run's weights, from `load_start`.
      state: the state before the first step, on the devices.

    Returns:
      The state, and lines for the user: the share of the parameters that are taken over, and the
      arrays that are not.

    Raises:
      UserError: no array fits.
    """
    _, _, source_params, source_stats = split_model(start.model)
    params, taken, missing = _take(source_params, state.params)
    batch_stats, _, _ = _take(source_stats, state.batch_stats)
    if not taken:
        raise UserError(
            f"config.init_from = {str(start.workdir)!r}: no array of {start.config.model.name} "
            "has a name and shape of this network's"
        )
    sizes = {name: math.prod(shape) for name, shape in (taken | missing).items()}
    share = sum(sizes[name] for name in taken) / sum(sizes.values())
    lines = [f"starts from {start.workdir}: {share:.1%} of the parameters are taken over"]
    if missing:
        names = ", ".join(sorted(missing))
        lines.append(f"newly initialized, because name or shape differ: {names}")
    ema = jax.tree.map(lambda array: array.copy(), params) if state.ema else {}
    return state.replace(params=params, batch_stats=batch_stats, ema=ema), lines


def _take(source: dict, target: dict) -> tuple[dict, dict[str, Any], dict[str, Any]]:
    """Copy the arrays of a nested dict into another one, where name and shape are the same.

    Returns:
      The target with the copied arrays, and by name the shapes of its arrays that were replaced and
      of those that were not.
    """
    source, target = flatten_dict(source), flatten_dict(target)
    placed = {
        path: jax.device_put(np.asarray(array), target[path].sharding)
        for path, array in source.items()
        if path in target and target[path].shape == array.shape
    }
    # the path of a module in a list of modules holds its number
    shapes = {path: ("/".join(map(str, path)), array.shape) for path, array in target.items()}
    taken = dict(shape for path, shape in shapes.items() if path in placed)
    missing = dict(shape for path, shape in shapes.items() if path not in placed)
    return unflatten_dict(target | placed), taken, missing

"""The arrays of a trained network by name: printed in part, or written to a file."""

import io
from pathlib import Path

import numpy as np
from flax import nnx

from jaxcnn import models
from jaxcnn.files.writing import write_bytes


def named_tensors(model: models.Network) -> dict[str, np.ndarray]:
    """Return a network's parameters and batch statistics by name, such as "conv1/kernel".

    They are in the order of the network's layers; names have the layer's name in the summary.
    """
    arrays = {
        "/".join(map(str, path)): np.asarray(variable.get_value())
        for kind in (nnx.Param, nnx.BatchStat)
        for path, variable in nnx.to_flat_state(nnx.state(model, kind))
    }
    layers = [row.name for row in models.summary(model).rows]
    positions = {name: index for index, name in enumerate(layers)}
    return dict(sorted(arrays.items(), key=lambda item: _position(item[0], positions)))


def _position(name: str, positions: dict[str, int]) -> int:
    """Return the position of the layer that an array belongs to; after all layers if unknown."""
    parts = name.split("/")
    prefixes = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((positions[p] for p in prefixes if p in positions), len(positions))


def write_npz(tensors: dict[str, np.ndarray], file: Path) -> None:
    """Write arrays to a file that `numpy.load` reads; after an error there is no partial file.

    Raises:
      UserError: the file cannot be written.
    """
    content = io.BytesIO()
    np.savez(content, **tensors)  # ty: ignore[invalid-argument-type]  names are no options
    write_bytes(file, content.getvalue())

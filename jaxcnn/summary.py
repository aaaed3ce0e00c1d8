"""Show networks: `python -m jaxcnn.summary --config=FILE | --network=NAME | --list [PATTERN]`.

It allocates no parameters and needs no dataset. `--workdir=DIR` shows the network of a run; with
`--tensors` the arrays of the trained network, which `--npz=FILE` writes to a file.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

import jaxcnn
from jaxcnn.config.flag import config_flag, given_run, register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command
from jaxcnn.process.run_flags import checkpoint_flag

_CONFIG = config_flag("A recipe, a config file, or the config.json of a run: show its network.")
_NETWORK = flags.DEFINE_string("network", "", "The network to show, instead of a config's.")
_LIST = flags.DEFINE_bool("list", False, "List the networks that match PATTERN, such as 'mnist_*'.")
_NUM_CLASSES = flags.DEFINE_integer("num_classes", 0, "Classes of --network; 0: as published.", 0)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 0, "Height and width of --network's images; 0: as published.", 0, 1024
)
_WORKDIR = path_flag("workdir", "The folder of a run: show its network.")
_TENSORS = flags.DEFINE_bool(
    "tensors", False, "Show name, shape and first values of each array of the run's network."
)
_NPZ = path_flag("npz", "Write all arrays of the run's network to this file, for numpy.load.")
_CHECKPOINT = checkpoint_flag()
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")
register_flag()


def main(arguments: list[str]) -> None:
    """Show the network or networks that the flags name."""
    if sum(map(bool, (_CONFIG.value, _NETWORK.value, _LIST.value, _WORKDIR.value))) != 1:
        raise UserError(
            "give one of --config=FILE, --network=NAME, --workdir=DIR and --list [PATTERN]"
        )
    if len(arguments) > (1 if _LIST.value else 0):
        raise UserError(f"unexpected argument {arguments[-1]!r}; flags begin with --")
    if not _NETWORK.value and (_NUM_CLASSES.value or _IMAGE_SIZE.value):
        raise UserError(
            "--num_classes and --image_size need --network; with a config its dataset decides"
        )
    if (_TENSORS.value or _NPZ.value or _CHECKPOINT.value) and not _WORKDIR.value:
        raise UserError("--tensors, --npz and --checkpoint need --workdir=DIR, the folder of a run")
    if _WORKDIR.value:
        show_run(_WORKDIR.value, _CHECKPOINT.value or "")
    elif _LIST.value:
        show_list(*arguments)
    elif _NETWORK.value:
        show(_NETWORK.value, _NUM_CLASSES.value, _IMAGE_SIZE.value)
    else:
        show_config(_CONFIG.value)


def show_list(pattern: str = "*") -> None:
    """Print a line for each network whose name matches the pattern.

    Raises:
      UserError: no name matches.
    """
    from jaxcnn import models
    from jaxcnn.reporting.terminal.tables import render_networks

    names = models.network_names(pattern)
    if not names:
        choices = ", ".join(models.network_names())
        raise UserError(f"no network's name matches {pattern!r} (there are: {choices})")
    summaries = [_summary(name) for name in names]
    listing = [
        {key: value for key, value in dataclasses.asdict(summary).items() if key != "rows"}
        | {"options": models.network_options(summary.name)}
        for summary in summaries
    ]
    _print(listing, render_networks(summaries))


def show(name: str, num_classes: int = 0, image_size: int = 0) -> None:
    """Print a network's summary; 0 classes or pixels mean the published number."""
    summary = _summary(name, num_classes, image_size)
    _print_summary(summary)


def show_config(config: ConfigDict) -> None:
    """Print the summary of a config's network for the config's dataset."""
    from jaxcnn import models
    from jaxcnn.data.loading import dataset_sizes
    from jaxcnn.workdir.run_config import check_given_config

    check_given_config(config, given_run())
    num_classes, image_shape = dataset_sizes(config.dataset)
    sizes = {"num_classes": num_classes, "image_shape": image_shape}
    network = models.build(**config.model, **sizes, abstract=True)
    _print_summary(models.summary(network))


def show_run(workdir: Path, checkpoint: str = "") -> None:
    """Print the summary of a run's network, or the arrays of its weights; write them if asked.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or the file cannot be written.
    """
    if _NPZ.value and not _NPZ.value.parent.is_dir():
        raise UserError(f"--npz={_NPZ.value}: there is no folder {_NPZ.value.parent}")
    from jaxcnn import models
    from jaxcnn.evaluation.tensors import named_tensors, write_npz
    from jaxcnn.reporting.terminal.tables import FIRST_VALUES, render_tensors
    from jaxcnn.workdir.weights import load_weights

    weights = load_weights(workdir, checkpoint)
    if not (_TENSORS.value or _NPZ.value):
        _print_summary(models.summary(weights.model))
        return
    tensors = named_tensors(weights.model)
    if _TENSORS.value:
        listing = [
            {
                "name": name,
                "shape": list(array.shape),
                "first": array.ravel()[:FIRST_VALUES].tolist(),
            }
            for name, array in tensors.items()
        ]
        _print(listing, render_tensors(tensors, f"{weights.checkpoint}, epoch {weights.epoch}"))
    if _NPZ.value:
        write_npz(tensors, _NPZ.value)
        if not _JSON.value:
            print(f"{_NPZ.value}: {len(tensors)} arrays, {_NPZ.value.stat().st_size:,} bytes")


def _summary(name: str, num_classes: int = 0, image_size: int = 0) -> Any:
    from jaxcnn import models

    entry = models.network_entry(name)
    height, width, channels = entry.image_shape
    network = models.build(
        name,
        num_classes=num_classes or entry.num_classes,
        image_shape=(image_size or height, image_size or width, channels),
        abstract=True,
    )
    return models.summary(network)


def _print_summary(summary: Any) -> None:
    from jaxcnn.reporting.terminal.tables import render_summary

    _print(dataclasses.asdict(summary), render_summary(summary))


def _print(data: Any, table: Any) -> None:
    if _JSON.value:
        print(json.dumps(data, indent=2))
    else:
        from jaxcnn.reporting.terminal.tables import wide_console

        wide_console().print(table)


if __name__ == "__main__":
    command.run(main, describe_config=lambda: jaxcnn.describe_config())

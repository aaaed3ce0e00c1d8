"""Suggest a learning rate: `python -m jaxcnn.find_lr --config=FILE [--config.FIELD=VALUE …]`.

Trains the config for a few steps, in which the rate rises from --min to --max instead of following
the config's schedule. Only the picture is kept.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags
from ml_collections import ConfigDict

import jaxcnn
from jaxcnn.config.flag import config_flag, given_name, given_run, register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command
from jaxcnn.text import rate

if TYPE_CHECKING:
    from jaxcnn.training.lr_finder import RangeTest

_CONFIG = config_flag("A recipe, a config file, or the config.json of a run.")
_NUM_STEPS = flags.DEFINE_integer("num_steps", 200, "Steps of the range test.", 20)
_MIN = flags.DEFINE_float("min", 1e-6, "The first learning rate.")
_MAX = flags.DEFINE_float("max", 1.0, "The last learning rate.")
_OUT = path_flag("out", "The folder for the picture, CONFIG-VARIANT.png (default: lr_finder).")
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of text.")
register_flag()


def main(arguments: list[str]) -> None:
    """Raise the learning rate, draw the losses, and print the suggestion."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; give --config=FILE")
    if _CONFIG.value is None:
        raise UserError("give --config=FILE")
    if not 0 < _MIN.value < _MAX.value < math.inf:
        raise UserError(f"--min={_MIN.value:g} --max={_MAX.value:g}: must be 0 < min < max")
    from jaxcnn.data.places import refuse_among_pictures
    from jaxcnn.reporting.figures.learning_rates import plot_range_test
    from jaxcnn.workdir.run_config import check_given_config

    out = _OUT.value or Path("lr_finder")
    check_given_config(_CONFIG.value, given_run())
    refuse_among_pictures(out, _CONFIG.value.dataset.name, "name another --out")
    result = _run_test(_CONFIG.value)
    picture = plot_range_test(result, out / given_name())
    if _JSON.value:
        print(json.dumps(_to_json(result, picture), indent=1))
    else:
        lines = _lines(result, _CONFIG.value.optimizer.learning_rate)
        print("\n".join([*lines, f"see {picture}"]))


def _run_test(config: ConfigDict) -> "RangeTest":
    from jaxcnn.data.loading import load_data
    from jaxcnn.reporting.terminal.progress_bar import track
    from jaxcnn.training.lr_finder import hold_rate, range_test
    from jaxcnn.training.run import make_run
    from jaxcnn.training.transfer import load_start, start_from

    config = hold_rate(config)
    start = load_start(config) if config.init_from else None
    run = make_run(config, load_data(config))
    if start:
        run = dataclasses.replace(run, state=start_from(start, run.state)[0])
    return range_test(
        run,
        num_steps=_NUM_STEPS.value,
        lowest=_MIN.value,
        highest=_MAX.value,
        track=lambda rates: track(rates, "raising the learning rate"),
    )


def _to_json(result: "RangeTest", picture: Path) -> dict:
    return {
        "suggestion": result.steepest,
        "lowest_loss_rate": result.lowest,
        "lowest_loss_rate_tenth": result.lowest / 10,
        "has_diverged": result.has_diverged,
        "learning_rates": result.rates.tolist(),
        "losses": result.losses.tolist(),
        "smoothed_losses": result.smoothed.tolist(),
        "picture": str(picture),
    }


def _lines(result: "RangeTest", configured: float) -> list[str]:
    """Return the results of the range test; the last line is the suggestion, if there is one."""
    lines = [f"the config's learning rate is {rate(configured)}"]
    if result.steepest is None:
        return [
            *lines,
            f"the loss did not fall at any rate up to {rate(result.rates[-1])}: no suggestion",
        ]
    lines.append(f"a tenth of the rate of lowest loss is {rate(result.lowest / 10)}")
    if result.is_still_falling:
        lines.append(
            f"the loss still falls at {rate(result.rates[-1])}: raise --max to find the lowest"
        )
    suggestion = f"--config.optimizer.learning_rate={rate(result.steepest)}"
    return [*lines, f"suggestion, where the loss falls fastest: {suggestion}"]


if __name__ == "__main__":
    command.run(main, describe_config=lambda: jaxcnn.describe_config())

"""Suggests a learning rate: `python -m jaxcnn.find_lr --config=FILE [--config.FIELD=VALUE …]`.

One short run of the config, in which the rate rises from --min to --max; nothing of it is kept but
the picture. The config's schedule is held constant.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags
from ml_collections import ConfigDict, config_flags

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command
from jaxcnn.text import rate

if TYPE_CHECKING:
    from jaxcnn.training.lr_finder import Sweep

_CONFIG = config_flags.DEFINE_config_file("config", None, "The config file.")
_NUM_STEPS = flags.DEFINE_integer("num_steps", 200, "Steps of the sweep.", 20)
_MIN = flags.DEFINE_float("min", 1e-6, "The first learning rate.")
_MAX = flags.DEFINE_float("max", 1.0, "The last learning rate.")
_OUT = path_flag("out", "The folder for the picture, NAME-VARIANT.png (default: lr_finder).")
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of words.")


def main(arguments: list[str]) -> None:
    """Sweeps, draws, and says what to put on the command line."""
    if arguments or _CONFIG.value is None:
        raise UserError("give --config=FILE, and no other words")
    if not 0 < _MIN.value < _MAX.value < math.inf:
        raise UserError(f"--min={_MIN.value:g} --max={_MAX.value:g}: needed is 0 < min < max")
    from jaxcnn.data.places import refuse_among_pictures
    from jaxcnn.reporting.figures.lr_plot import plot_sweep
    from jaxcnn.workdir.run_config import check_config

    out = _OUT.value or Path("lr_finder")
    check_config(_CONFIG.value)
    refuse_among_pictures(out, _CONFIG.value.dataset.name, "name another --out")
    swept = _sweep(_CONFIG.value)
    path, _, variant = flags.FLAGS["config"].config_filename.partition(":")
    stem = "-".join(part for part in (Path(path).stem, variant) if part)
    picture = plot_sweep(swept, out / stem)
    if _JSON.value:
        print(json.dumps(_to_json(swept, picture), indent=1))
    else:
        print("\n".join([*_words(swept, _CONFIG.value.optimizer.learning_rate), f"see {picture}"]))


def _sweep(config: ConfigDict) -> "Sweep":
    from jaxcnn.data.loading import load_data
    from jaxcnn.reporting.terminal.progress import track
    from jaxcnn.training.lr_finder import hold_rate, sweep
    from jaxcnn.training.run import make_run
    from jaxcnn.training.transfer import load_start, start_from

    config = hold_rate(config)
    start = load_start(config) if config.init_from else None
    run = make_run(config, load_data(config))
    if start:
        run = dataclasses.replace(run, state=start_from(start, run.state)[0])
    return sweep(
        run,
        num_steps=_NUM_STEPS.value,
        lowest=_MIN.value,
        highest=_MAX.value,
        track=lambda rates: track(rates, "sweeping the learning rate"),
    )


def _to_json(swept: "Sweep", picture: Path) -> dict:
    return {
        "suggestion": swept.steepest,
        "lowest_loss_rate": swept.lowest,
        "lowest_loss_rate_tenth": swept.lowest / 10,
        "has_diverged": swept.has_diverged,
        "learning_rates": swept.rates.tolist(),
        "losses": swept.losses.tolist(),
        "smoothed_losses": swept.smoothed.tolist(),
        "picture": str(picture),
    }


def _words(swept: "Sweep", configured: float) -> list[str]:
    """The suggestion, what else the sweep says, and what it leaves open."""
    lines = [f"the config's learning rate is {rate(configured)}"]
    if swept.steepest is None:
        return [*lines, f"the loss never fell up to {rate(swept.rates[-1])}: nothing to suggest"]
    lines.append(f"a tenth of the rate of the least loss is {rate(swept.lowest / 10)}")
    if swept.is_still_falling:
        lines.append(f"the loss still falls at {rate(swept.rates[-1])}: raise --max to see its end")
    suggestion = f"--config.optimizer.learning_rate={rate(swept.steepest)}"
    return [*lines, f"suggestion, where the loss falls fastest: {suggestion}"]


if __name__ == "__main__":
    command.run(main, describe_config=lambda: jaxcnn.describe_config())

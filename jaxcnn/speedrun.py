"""Time many runs, each one compiled program: `python -m jaxcnn.speedrun --config=FILE --runs=100`.

The time of a run is from the first use of the training images to the end of the last step.
Compilation, a warm-up run, initialization and testing are not counted. Each run is tested once, at
its end; the test split has no influence on training.
"""

from typing import Any

from absl import flags
from ml_collections import ConfigDict

import jaxcnn
from jaxcnn.config.flag import config_flag, given_run, register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command

_CONFIG = config_flag("A recipe, a config file, or the config.json of a run.")
_RUNS = flags.DEFINE_integer(
    "runs", 1, "The number of runs; their seeds count up from the config's.", 1
)
_TOGETHER = flags.DEFINE_integer(
    "together", 1, "The number of seeds that train together, with vmap.", 1
)
_JSON = path_flag("json", "The file for the results, as JSON.")
register_flag()


def main(arguments: list[str]) -> None:
    """Train, test and time the runs; print and write the results."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; give --config=FILE")
    if _CONFIG.value is None:
        raise UserError("give --config=FILE")
    if _RUNS.value % _TOGETHER.value:
        raise UserError(f"--together={_TOGETHER.value}: must divide --runs={_RUNS.value}")
    if _JSON.value and not _JSON.value.parent.is_dir():
        raise UserError(f"--json={_JSON.value}: there is no folder {_JSON.value.parent}")
    result = _run(_CONFIG.value)
    print(_summary(result))
    if _JSON.value:
        from jaxcnn.files.writing import write_json

        write_json(_JSON.value, result)


def _run(config: ConfigDict) -> dict[str, Any]:
    from jaxcnn.config.defaults import to_dict
    from jaxcnn.data.loading import load_data
    from jaxcnn.training.compiled_run import make_compiled_run
    from jaxcnn.training.timed_runs import PROTOCOL, time_runs
    from jaxcnn.workdir.environment import environment
    from jaxcnn.workdir.run_config import check_given_config
    from jaxcnn.workdir.run_parts import describe_parts

    check_given_config(config, given_run())
    run = make_compiled_run(config, load_data(config))
    result = time_runs(
        run,
        _RUNS.value,
        together=_TOGETHER.value,
        on_warm=lambda seconds: print(f"compiled and warmed up in {seconds:.1f} s", flush=True),
        on_row=lambda row: print(_line(row), flush=True),
    )
    return result | {
        "protocol": PROTOCOL,
        "config": to_dict(config),
        "environment": environment(list(run.mesh.devices.flat)),
        **({"parts": parts} if (parts := describe_parts(config)) else {}),
    }


def _line(row: dict[str, Any]) -> str:
    from jaxcnn.text import loss, percent

    return (
        f"seed {row['seed']}: test accuracy {percent(row['accuracy'])} with test-time "
        f"augmentation, {percent(row['plain_accuracy'])} without; "
        f"loss {loss(row['train_loss'])}; {row['seconds']:.3f} s, tested in "
        f"{row['test_seconds']:.3f} s"
    )


def _summary(result: dict[str, Any]) -> str:
    from jaxcnn.text import percent

    spread = f" ± {100 * result['std']:.2f}" if result["runs"] > 1 else ""
    return (
        f"mean test accuracy {percent(result['mean'])}{spread} (n = {result['runs']}), lowest "
        f"{percent(result['min'])}; median {result['seconds']:.3f} s per run"
    )


if __name__ == "__main__":
    command.run(main, describe_config=lambda: jaxcnn.describe_config())

"""Train a sweep: `jaxcnn sweep --config=FILE --sweep='optimizer.momentum=.5,.9; seed=0..4'`.

Every combination of the values is a member, a run in its own folder. All members train together,
as one population; the same command resumes it.
"""

from pathlib import Path

from absl import flags

import jaxcnn
from jaxcnn.config.files import load_sweep
from jaxcnn.config.flag import config_flag, given_name, given_run, register_flag
from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag
from jaxcnn.process import command, heap
from jaxcnn.process.run_flags import data_at_flag
from jaxcnn.text import printable_json

_CONFIG = config_flag("A recipe, a config file, or the config.json of a run.")
_SWEEP = flags.DEFINE_string(
    "sweep",
    None,
    "The fields that vary, with ; between them: lists such as optimizer.learning_rate=.001,.01 and "
    "ranges such as seed=0..4, both ends included; or a Python file whose SWEEP is such a text.",
)
_WORKDIR = path_flag("workdir", "The population's folder (default: runs/CONFIG-VARIANT-sweep).")
_DATA_AT = data_at_flag()
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what would be trained, and train nothing.")
_JSON = flags.DEFINE_bool("json", False, "Print the result as JSON instead of text.")
register_flag()


def main(arguments: list[str]) -> None:
    """Train the members of the sweep, or resume the population that is in the folder."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; give --sweep='FIELD=VALUES; …'")
    if _CONFIG.value is None or _SWEEP.value is None:
        raise UserError("give --config=FILE and --sweep='FIELD=VALUES; …', such as seed=0..4")
    from jaxcnn.api.population import describe_sweep, make_sweep, train_population
    from jaxcnn.workdir.run_config import check_given_config

    workdir = _WORKDIR.value or Path("runs", f"{given_name()}-sweep")
    check_given_config(_CONFIG.value, given_run(), workdir)
    sweep = load_sweep(_SWEEP.value)
    if _DRY_RUN.value:
        planned = make_sweep(_CONFIG.value, sweep, workdir)
        print("\n".join(describe_sweep(planned, _DATA_AT.value)))
        return
    heap.tidy_after_compiling()
    result = train_population(
        _CONFIG.value, sweep, workdir, quiet=_JSON.value, data_at=_DATA_AT.value
    )
    if _JSON.value:
        print(printable_json(result))


if __name__ == "__main__":
    command.run(main, resumable=True, describe_config=lambda: jaxcnn.describe_config())

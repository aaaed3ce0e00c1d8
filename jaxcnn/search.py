"""Search fields for the best validation accuracy: `jaxcnn search --config=FILE --search='…'`.

Optuna chooses the values of each trial. Several trials train together, as one population. The same
command goes on with a search that was interrupted. While it runs, a second one shares the work.
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
_SEARCH = flags.DEFINE_string(
    "search",
    None,
    "The fields that vary, with ; between them: log(a,b), uniform(a,b), lists such as "
    "loss.label_smoothing=0,.1 and ranges such as seed=0..4; or a Python file whose SWEEP is "
    "such a text.",
)
_TRIALS = flags.DEFINE_integer(
    "trials", 60, "Trials of the whole study, those of other processes included.", 1
)
_POPULATION = flags.DEFINE_integer("population", 8, "Trials that are trained together.", 1)
_SAMPLER = flags.DEFINE_string(
    "sampler",
    "",
    "Chooses the values: tpe, the usual one; cmaes, which draws lists at random; or nsga2, the one "
    "with --minimize.",
)
_MINIMIZE = flags.DEFINE_string(
    "minimize",
    "",
    "A cost to weigh against accuracy: parameters; operations of the forward pass of an image; or "
    "seconds of training per epoch, as measured.",
)
_STUDY = flags.DEFINE_string(
    "study",
    "",
    "The address of an Optuna storage that several machines share, such as "
    "postgresql+psycopg://USER:PASSWORD@HOST/NAME (default: a file in the folder).",
)
_HALVING = flags.DEFINE_bool(
    "halving", False, "Drop the worst two thirds of a population after a few epochs, and again."
)
_PBT = flags.DEFINE_integer(
    "pbt",
    0,
    "Population-based training, in place of a study: after so many epochs the best quarter of one "
    "population replaces the worst, with changed values. 0: off.",
    0,
)
_WORKDIR = path_flag("workdir", "The search's folder (default: runs/CONFIG-VARIANT-search).")
_DATA_AT = data_at_flag()
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what would be trained, and train nothing.")
_JSON = flags.DEFINE_bool("json", False, "Print the result as JSON instead of text.")
register_flag()


def main(arguments: list[str]) -> None:
    """Train the trials of the search, or those that are left of the search in the folder."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; give --search='FIELD=VALUES; …'")
    if _CONFIG.value is None or _SEARCH.value is None:
        raise UserError(
            "give --config=FILE and --search='FIELD=VALUES; …', such as "
            "optimizer.learning_rate=log(1e-4,1e-1)"
        )
    from jaxcnn.api.search.describe import describe_search
    from jaxcnn.api.search.plan import make_search
    from jaxcnn.api.search.run import run_search
    from jaxcnn.workdir.run_config import check_given_config

    workdir = _WORKDIR.value or Path("runs", f"{given_name()}-search")
    check_given_config(_CONFIG.value, given_run(), workdir)
    search = make_search(
        _CONFIG.value,
        load_sweep(_SEARCH.value, "--search"),
        workdir,
        num_trials=_TRIALS.value,
        population=_POPULATION.value,
        sampler=_SAMPLER.value,
        url=_STUDY.value,
        halving=_HALVING.value,
        generation=_PBT.value,
        minimize=_MINIMIZE.value,
    )
    if _DRY_RUN.value:
        print("\n".join(describe_search(search, _DATA_AT.value)))
        return
    heap.tidy_after_compiling()
    result = run_search(search, quiet=_JSON.value, data_at=_DATA_AT.value)
    if _JSON.value:
        print(printable_json(result))


if __name__ == "__main__":
    command.run(main, resumable=True, describe_config=lambda: jaxcnn.describe_config())

"""A search: it asks a study for trials, trains them as populations, and tells their results."""

import contextlib
import math
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.api.population_folder import member_folder
from jaxcnn.api.search.describe import describe
from jaxcnn.api.search.evolution import Lineage, evolve
from jaxcnn.api.search.halving import train_halved
from jaxcnn.api.search.plan import Search, about
from jaxcnn.api.search.programs import Programs
from jaxcnn.api.search.result import finish, rows_of, show
from jaxcnn.api.search.sampler import make_sampler
from jaxcnn.api.search.scores import Score, cost_of
from jaxcnn.api.search.study import Study, Trial, storage_errors, without_password
from jaxcnn.api.search.trainer import TrialTrainer
from jaxcnn.api.search.worker import Worker, locked
from jaxcnn.config.defaults import flatten
from jaxcnn.config.sweep import Assignment, describe_values
from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.errors import UserError
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.process import group
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.reporting.terminal.tables import render_summary
from jaxcnn.workdir.folder import lock_folder
from jaxcnn.workdir.full_paths import with_full_paths
from jaxcnn.workdir.run_files import read_part

_SEARCH = "search.json"


def run_search(
    search: Search,
    *,
    quiet: bool = False,
    console: Console | None = None,
    data_at: Path | None = None,
) -> dict[str, Any]:
    """Train the trials of a search, or those that are left of it.

    Each trial is a run in `workdir/members/000` and so on. Its objective is the validation accuracy
    of the weights that the run tests. The same call goes on with a search that was interrupted, and
    several processes may work on a study at once.

    Args:
      search: from `make_search`.
      quiet: print warnings alone.
      console: shows the training; standard output by default.
      data_at: where the data are, if not where the config says.

    Returns:
      The content of the search's `result.json`.

    Raises:
      UserError: the folder or the storage is wrong; nothing there is changed.
      Diverged: the loss of every trial was not finite.
      Stopped: a signal asked for it; all trials are saved.
    """
    console = console or Console(quiet=quiet)
    workdir = search.workdir
    check_for_checkpoints(workdir)
    refuse_among_pictures(workdir, search.config.dataset.name, "name another --workdir")
    if group.is_group():
        raise UserError("a search trains in one process; start several without --distributed")
    programs = Programs(search, data_at)
    trainer = TrialTrainer(programs, search.config.num_devices, console)
    with contextlib.closing(trainer):
        run = _run_generations if search.generation else _run_study
        result = run(search, trainer, console)
    show(search, result, console)
    return result


def _run_study(search: Search, trainer: TrialTrainer, console: Console) -> dict[str, Any]:
    """Train trials until the study has all of them; return the result."""
    programs, has_started = trainer.programs, False
    is_new = not (search.workdir / _SEARCH).exists()
    if is_new:
        programs.check_each_value()  # before the folder holds this search

    def refuse(number: int, values: Assignment) -> str:
        try:
            programs.template(programs.config(number, values))
        except UserError as error:
            console.warn(f"trial {number} ({describe_values(values)}) is not possible: {error}")
            return str(error)
        return ""

    with storage_errors(search.address), _open_study(search) as study:
        _refuse_another_study(search, study.trials())
        if not is_new and study.has_work(search.num_trials):
            programs.check_each_value()
        while batch := _next_batch(search, study, refuse):
            _refuse_another_study(search, batch)
            values = {trial.number: trial.values for trial in batch}
            if not has_started:
                _start(search, trainer, values, console)
            has_started = True
            _train(search, study, batch, trainer, console)
        with locked(search.workdir):
            return finish(search, rows_of(study.trials(), search.minimize), programs)


def _run_generations(search: Search, trainer: TrialTrainer, console: Console) -> dict[str, Any]:
    """Train a population in generations; return the result."""
    workdir, config = search.workdir, search.config

    def check() -> None:
        _read_identity(search)

    lock = lock_folder(workdir, check)
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        _open_folder(search)
        lineage = Lineage(workdir, search.fields, search.population, config.seed)
        _start(search, trainer, lineage.living, console)
        with trainer.open(lineage.living) as live:
            evolve(live, trainer.programs.folder, lineage, search.generation)
            scores = live.scores(config.test_with)
        return finish(search, lineage.rows(scores), trainer.programs)


@contextlib.contextmanager
def _open_study(search: Search) -> Iterator[Study]:
    """Open the folder and the study of a search, new or not, as one of its workers.

    Raises:
      UserError: the folder holds something else, or the storage cannot be opened.
    """
    workdir = search.workdir
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        with locked(workdir):
            worker = Worker(workdir, _open_folder(search))
            study = Study(
                search.address,
                search.name,
                make_sampler(search.sampler, search.config.seed, search.population),
                search.fields,
                worker,
                is_local=not search.url,
                has_cost=bool(search.minimize),
            )
    except OSError as error:
        raise UserError(f"{workdir}: {error.strerror}; name another --workdir") from error
    with contextlib.closing(worker):
        yield study


def _open_folder(search: Search) -> str:
    """Write `search.json` of a new folder, or check it; return the folder's identity."""
    path = search.workdir / _SEARCH
    if identity := _read_identity(search):
        return identity
    identity = secrets.token_hex(8)
    write_json(path, {"id": identity, **about(search)})
    return identity


def _read_identity(search: Search) -> str:
    """Return the identity of the search's folder; "" if it is empty.

    Raises:
      UserError: it holds something else.
    """
    workdir, path = search.workdir, search.workdir / _SEARCH
    if not path.exists():
        if any(not file.name.startswith(".") for file in workdir.iterdir()):
            raise UserError(f"{workdir}: holds files but no search; name another --workdir")
        return ""
    saved = read_json(path)
    if not (isinstance(saved, dict) and saved.get("id") and saved.get("study")):
        raise UserError(f"{path}: is damaged: it has no study")
    if saved["study"] != search.name:
        raise UserError(
            f"{workdir}: holds another search, of other fields, another config, another --minimize "
            "or another --pbt; name another --workdir"
        )
    return saved["id"]


def _refuse_another_study(search: Search, trials: Sequence[Trial]) -> None:
    """Check that the folders of trials, where there are some, have the trials' values.

    Raises:
      UserError: one has not: the file of its study is gone, or `--study` names another storage.
    """
    for trial in trials:
        folder = member_folder(search.workdir, trial.number)
        if not (folder / "config.json").exists():
            continue
        saved = with_full_paths(flatten(read_part(folder, "config.json")))
        for name, value in with_full_paths(trial.values).items():
            if saved.get(name) != value:
                raise UserError(
                    f"{folder}: has {name} = {saved.get(name)!r}, and trial {trial.number} of the "
                    f"study in {without_password(search.address)} has {value!r}; bring back the "
                    "study of the folder, or name another --workdir"
                )


def _next_batch(
    search: Search, study: Study, refuse: Callable[[int, Assignment], str]
) -> list[Trial]:
    with locked(search.workdir):
        return study.next_batch(search.num_trials, search.population, refuse)


def _start(
    search: Search, trainer: TrialTrainer, values: Mapping[int, Assignment], console: Console
) -> None:
    """Show the network, the config and the search, before the trials with some values train."""
    programs = trainer.programs
    runs = [programs.template(programs.config(number, values[number])).run for number in values]
    varying = [name for name in search.constants if name.startswith(("model.", "dataset."))]
    summary = render_summary(runs[0].plan.network)
    if varying:
        summary = f"the network varies with {', '.join(varying)}"
    console.start(search.config, summary, str(search.workdir), search.fields)
    for line in describe(search, trainer.form(runs)):
        console.print(line)


def _train(
    search: Search, study: Study, batch: list[Trial], trainer: TrialTrainer, console: Console
) -> None:
    """Train the trials of a batch, and tell the study their accuracies."""
    values, weights = {trial.number: trial.values for trial in batch}, search.config.test_with
    size = sum(t.batch == batch[0].batch and t.state != "failed" for t in study.trials())
    console.print(_range(list(values)), "bold")

    def drop(number: int, score: Score) -> None:
        study.drop(number, score.accuracy, score.epochs, {"validation_loss": score.loss})

    with trainer.open(values) as live:
        if search.halving:
            train_halved(live, size, weights, drop)
        live.train()
        scores = live.scores(weights)
    for number, score in sorted(scores.items()):
        notes: dict[str, Any] = {"epochs": score.epochs, "validation_loss": score.loss}
        if score.is_diverged:
            notes = {"diverged": True, "epochs": score.epochs}
        costs = []
        if search.minimize:
            cost = cost_of(search.minimize, live.plan(number), score)
            notes[search.minimize] = cost if math.isfinite(cost) else None
            costs = [math.inf if score.is_diverged else cost]
        study.finish(number, [score.accuracy, *costs], notes)


def _range(numbers: list[int]) -> str:
    """Return `trials 8 to 15`, or each number where some between are missing."""
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"trials {numbers[0]} to {numbers[-1]}"
    return f"trials {', '.join(map(str, numbers))}"

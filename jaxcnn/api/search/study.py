"""An Optuna study on which several processes may work: trials are asked, trained and told."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url

from jaxcnn.api.search.sampler import suggest
from jaxcnn.api.search.worker import Worker
from jaxcnn.config.sweep import Assignment, Values
from jaxcnn.errors import UserError
from jaxcnn.text import one_line

_LOCK_SECONDS = 60  # SQLite's wait for another process
_TRIES = 3  # to create the tables of a new database; several processes may do so at once
_ERRORS = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)
_MOST_ASKED = 20  # times the trials of a batch, while most of them are not possible


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial of a study.

    Attributes:
      number: counts the trials of the study, from 0 on.
      values: the fields' values.
      state: "running", "finished", "dropped" (by halving) or "failed".
      accuracy: the validation accuracy; None while it is unknown.
      batch: the number of the first trial that was asked together with this one.
      size: trials of the batch.
      worker: the process that trains it, see `Worker`.
      notes: further facts: `validation_loss`, `epochs`, `diverged`, `reason` of a failure, and the
        cost by its name.
    """

    number: int
    values: Assignment
    state: str
    accuracy: float | None
    batch: int
    size: int
    worker: str
    notes: dict[str, Any]

    @property
    def rank(self) -> tuple[float, float, int]:
        """The key that sorts trials, the best one first: by accuracy, then loss, then number."""
        accuracy = -1.0 if self.accuracy is None else self.accuracy
        return -accuracy, self.notes.get("validation_loss") or 0.0, self.number


_STATES = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "dropped",
    TrialState.FAIL: "failed",
}
_OWNER = ("batch", "size", "worker")  # Optuna's attributes of a trial that are not its notes


def _trial(frozen: FrozenTrial) -> Trial:
    notes = {name: note for name, note in frozen.user_attrs.items() if name not in _OWNER}
    return Trial(
        number=frozen.number,
        values=dict(frozen.params),
        state=_STATES[frozen.state],
        accuracy=frozen.values[0] if frozen.values else None,
        batch=frozen.user_attrs.get("batch", -1),
        size=frozen.user_attrs.get("size", 0),
        worker=frozen.user_attrs.get("worker", ""),
        notes=notes,
    )


class Study:
    """The trials of a search.

    Args:
      url: the address of the storage, as Optuna and SQLAlchemy read it.
      name: the study's name in the storage.
      sampler: chooses the values of trials.
      fields: the values that each field may take.
      worker: this process.
      is_local: whether only processes of the worker's folder use the storage.
      has_cost: whether trials have a cost that is as low as possible, beside the accuracy.

    Raises:
      UserError: the storage cannot be opened.
    """

    def __init__(
        self,
        url: str,
        name: str,
        sampler: optuna.samplers.BaseSampler,
        fields: Mapping[str, Values],
        worker: Worker,
        *,
        is_local: bool,
        has_cost: bool,
    ):
        self._storage = open_storage(url)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=self._storage, study_name=name, sampler=sampler, load_if_exists=True,
            directions=["maximize", "minimize"] if has_cost else ["maximize"],
        )  # fmt: skip
        self._id = self._storage.get_study_id_from_name(name)
        self._fields, self._worker, self._is_local = fields, worker, is_local

    def trials(self) -> list[Trial]:
        """Return all trials, by number."""
        return [_trial(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def has_work(self, num_trials: int) -> bool:
        """Return whether trials have not ended, those of other processes included."""
        ended = [trial for trial in self.trials() if trial.state in ("finished", "dropped")]
        return len(ended) < num_trials

    def next_batch(
        self, num_trials: int, population: int, refuse: Callable[[int, Assignment], str]
    ) -> list[Trial]:
        """Return the trials that this process trains next; [] if none is left for it.

        They are those of a process that has died, if there are any; else new ones. A trial whose
        values do not fit each other fails, and another one takes its place.

        Args:
          num_trials: trials of the whole study, those of other processes included.
          population: trials that are asked together.
          refuse: returns why a trial with some values is not possible; "" if it is.

        Raises:
          UserError: almost none of them is possible.
        """
        self._take_up()
        counted = [t for t in self.trials() if t.state != "failed" and not self._is_orphan(t)]
        if own := [t for t in counted if self._is_own(t)]:
            batch, size = own[0].batch, own[0].size
        else:
            batch, size = None, min(population, num_trials - len(counted))
        num_asked = sum(t.batch == batch for t in counted)
        for trial in own:  # its process may have died while it asked
            if trial.batch == batch and self._is_refused(trial.number, refuse):
                num_asked -= 1
        for _ in range(size * _MOST_ASKED):
            if num_asked >= size:
                break
            number = self._ask(batch, size)
            batch = number if batch is None else batch
            num_asked += not self._is_refused(number, refuse)
        if num_asked < size:
            raise UserError(
                "--search: almost no combination of the values is possible, see the warnings; "
                "search fewer fields or other values"
            )
        return [t for t in self.trials() if self._is_own(t) and t.batch == batch]

    def _is_own(self, trial: Trial) -> bool:
        return trial.state == "running" and trial.worker == self._worker.name

    def _is_orphan(self, trial: Trial) -> bool:
        """Return whether a process has asked for a trial, and died before it named itself."""
        return self._is_local and trial.state == "running" and not trial.worker

    def _take_up(self) -> None:
        """Take the trials of processes that have died."""
        for trial in self.trials():
            if trial.state == "running" and self._worker.is_gone(trial.worker):
                self._note(trial.number, "worker", self._worker.name)

    def _ask(self, batch: int | None, size: int) -> int:
        """Ask for a trial of a batch, or for the first one of a new batch; return its number."""
        orphan = next((t.number for t in self.trials() if self._is_orphan(t)), None)
        number = self._study.ask().number if orphan is None else orphan
        self._note_all(number, {"batch": number if batch is None else batch, "size": size})
        self._note(number, "worker", self._worker.name)
        return number

    def _is_refused(self, number: int, refuse: Callable[[int, Assignment], str]) -> bool:
        """Choose what a trial lacks of its values; fail it if they are not possible."""
        trial = optuna.Trial(self._study, self._trial_id(number))
        reason = refuse(number, suggest(trial, self._fields))
        if reason:
            self._note(number, "reason", reason)
            self.fail([number])
        return bool(reason)

    def finish(self, number: int, values: Sequence[float], notes: dict[str, Any]) -> None:
        """Record the accuracy of a trial that has ended, and its cost if trials have one."""
        self._note_all(number, notes)
        self._study.tell(number, values)

    def drop(self, number: int, accuracy: float, epochs: int, notes: dict[str, Any]) -> None:
        """Record that a trial was dropped after some epochs, with its accuracy until then."""
        self._note_all(number, notes | {"epochs": epochs})
        self._storage.set_trial_intermediate_value(self._trial_id(number), epochs, accuracy)
        self._study.tell(number, state=TrialState.PRUNED)

    def fail(self, numbers: Sequence[int]) -> None:
        """Record that trials could not be trained; they do not count."""
        for number in numbers:
            self._study.tell(number, state=TrialState.FAIL)

    def _note_all(self, number: int, notes: dict[str, Any]) -> None:
        for name, note in notes.items():
            self._note(number, name, note)

    def _note(self, number: int, name: str, note: Any) -> None:
        self._storage.set_trial_user_attr(self._trial_id(number), name, note)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)


def open_storage(url: str) -> RDBStorage:
    """Return Optuna's storage at an address; its tables are made if they are missing.

    Raises:
      UserError: the address is wrong, or nothing answers there.
    """
    options = {"connect_args": {"timeout": _LOCK_SECONDS}} if url.startswith("sqlite") else {}
    for attempt in range(1, _TRIES + 1):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except (ImportError, ValueError, RuntimeError, *_ERRORS) as error:
            if attempt == _TRIES or not isinstance(error, sqlalchemy.exc.DBAPIError):
                raise UserError(
                    f"--study={without_password(url)}: cannot be opened ({_cause(error)}); give an "
                    "address such as sqlite:///study.db or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
                ) from error
            time.sleep(attempt)
    raise AssertionError("unreachable")


@contextlib.contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Name the storage at an address if it fails in the block.

    Raises:
      UserError: it is damaged, or does not answer any more.
    """
    try:
        yield
    except _ERRORS as error:
        raise UserError(
            f"--study={without_password(url)}: cannot be read or written ({_cause(error)}); "
            "restore the storage and repeat the command, or name another --workdir"
        ) from error


def _cause(error: BaseException) -> str:
    """Return the first cause of an error in one line, without the statement that failed."""
    while error.__cause__:
        error = error.__cause__
    return one_line(error)[:200]


def without_password(url: str) -> str:
    """Return the address of a storage with asterisks for the password."""
    with contextlib.suppress(sqlalchemy.exc.ArgumentError):
        return make_url(url).render_as_string(hide_password=True)
    return url

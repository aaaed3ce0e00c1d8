"""An Optuna study on which several processes may work: trials are asked, trained and told."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import optuna
import sqlalchemy.exc
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url

from jaxcnn.config.sweep import Assignment
from jaxcnn.errors import UserError
from jaxcnn.files.locks import FolderLock

_LOCK_SECONDS = 60  # SQLite's wait for another process
_TRIES = 3  # to create the tables of a new database; several processes may do so at once
_WORKERS = "workers"
_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial of a study.

    Attributes:
      number: counts the trials of the study, from 0 on.
      values: the fields' values.
      state: "running", "finished", "dropped" (by halving) or "failed".
      accuracy: the validation accuracy; None while it is unknown.
      batch: the number of the first trial that was asked together with this one.
      worker: the process that trains it, see `Worker`.
      notes: further facts: `validation_loss`, `epochs`, `folder`, `diverged`.
    """

    number: int
    values: Assignment
    state: str
    accuracy: float | None
    batch: int
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
_OWNER = ("batch", "worker")  # Optuna's attributes of a trial that are not its notes


def _trial(frozen: FrozenTrial) -> Trial:
    notes = {name: note for name, note in frozen.user_attrs.items() if name not in _OWNER}
    return Trial(
        number=frozen.number,
        values=dict(frozen.params),
        state=_STATES[frozen.state],
        accuracy=frozen.value,
        batch=frozen.user_attrs.get("batch", -1),
        worker=frozen.user_attrs.get("worker", ""),
        notes=notes,
    )


class Worker:
    """A process that works in a search's folder; each living one has a number of its own.

    A lock holds the number. A process that takes the number of a dead one also takes up its trials.

    Args:
      workdir: the search's folder.
      folder_id: the folder's identity; processes may share a study from several folders.
    """

    def __init__(self, workdir: Path, folder_id: str):
        self._workdir, self._folder_id = workdir, folder_id
        self._number, self._lock = self._take_number()

    @property
    def name(self) -> str:
        """The folder's identity and the number."""
        return f"{self._folder_id}/{self._number}"

    def _take_number(self) -> tuple[int, FolderLock]:
        number = 0
        while (lock := self._try_lock(number)) is None:
            number += 1
        return number, lock

    def _try_lock(self, number: int) -> FolderLock | None:
        """Return the lock of a number; None if a living process holds it."""
        folder = self._workdir / _WORKERS / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return None
        return lock

    def is_gone(self, name: str) -> bool:
        """Return whether a name belongs to a process of this folder that has died."""
        folder_id, _, number = name.rpartition("/")
        if folder_id != self._folder_id or name == self.name:
            return False
        lock = self._try_lock(int(number))
        if lock is not None:
            lock.release()
        return lock is not None

    def close(self) -> None:
        """Give the number back."""
        self._lock.release()


class Study:
    """The trials of a search.

    Args:
      url: the address of the storage, as Optuna and SQLAlchemy read it.
      name: the study's name in the storage.
      sampler: chooses the values of trials.
      distributions: the fields, see `sampler.distributions`.
      worker: this process.
      is_local: whether only processes of the worker's folder use the storage.

    Raises:
      UserError: the storage cannot be opened.
    """

    def __init__(
        self,
        url: str,
        name: str,
        sampler: optuna.samplers.BaseSampler,
        distributions: dict[str, BaseDistribution],
        worker: Worker,
        *,
        is_local: bool,
    ):
        self._storage = open_storage(url)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=self._storage, study_name=name, sampler=sampler, direction="maximize",
            load_if_exists=True,
        )  # fmt: skip
        self._id = self._storage.get_study_id_from_name(name)
        self._distributions, self._worker, self._is_local = distributions, worker, is_local

    def trials(self) -> list[Trial]:
        """Return all trials, by number."""
        return [_trial(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def next_batch(self, num_trials: int, population: int) -> list[Trial]:
        """Return the trials that this process trains next; [] if none is left for it.

        They are those of a process that has died, if there are any; else new ones.

        Args:
          num_trials: trials of the whole study, those of other processes included.
          population: trials that are asked together.
        """
        self._take_up()
        own = self._own()
        if not own:
            self._ask(num_trials, population)
            own = self._own()
        return [trial for trial in own if trial.batch == own[0].batch]

    def _own(self) -> list[Trial]:
        trials = self.trials()
        return [t for t in trials if t.state == "running" and t.worker == self._worker.name]

    def _take_up(self) -> None:
        """Take the trials of processes that have died."""
        for trial in self.trials():
            if trial.state != "running":
                continue
            if self._worker.is_gone(trial.worker):
                self._note(trial.number, "worker", self._worker.name)
            elif not trial.worker and self._is_local:  # its process died while it asked
                self.fail([trial.number])

    def _ask(self, num_trials: int, population: int) -> None:
        states = self._study.get_trials(deepcopy=False, states=_COUNTED)
        first = None
        for _ in range(min(population, num_trials - len(states))):
            trial = self._study.ask(self._distributions)
            first = trial.number if first is None else first
            trial.set_user_attr("batch", first)
            trial.set_user_attr("worker", self._worker.name)

    def finish(self, number: int, accuracy: float, notes: dict[str, Any]) -> None:
        """Record the accuracy of a trial that has ended."""
        self._note_all(number, notes)
        self._study.tell(number, accuracy)

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
        except (ImportError, ValueError, RuntimeError, sqlalchemy.exc.SQLAlchemyError) as error:
            if attempt == _TRIES or not isinstance(error, sqlalchemy.exc.DBAPIError):
                cause = error.__cause__ if isinstance(error, ImportError) else None
                reason = " ".join(str(cause or error).split())[:200]
                raise UserError(
                    f"--study={without_password(url)}: cannot be opened ({reason}); give an "
                    "address such as sqlite:///study.db or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
                ) from error
            time.sleep(attempt)
    raise AssertionError("unreachable")


def without_password(url: str) -> str:
    """Return the address of a storage with asterisks for the password."""
    with contextlib.suppress(sqlalchemy.exc.ArgumentError):
        return make_url(url).render_as_string(hide_password=True)
    return url


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Hold the lock of a search's folder in the block; other processes wait for it."""
    lock = FolderLock(workdir)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()

"""Training a population: the members of a sweep, each a run in a folder of its own."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from jaxcnn.api.arguments import Source, check_workdir, own_config
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.population_folder import member_folder, open_folder
from jaxcnn.api.run import check_data, complete_report, is_complete, is_new, record_start
from jaxcnn.config.sweep import Assignment, assignments, describe_values, parse_sweep, with_values
from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.errors import Diverged, UserError
from jaxcnn.evaluation.metrics import try_metrics
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.files.writing import write_json
from jaxcnn.process import group
from jaxcnn.reporting.sweep.outcome import read_outcome
from jaxcnn.reporting.sweep.page import summary, write_report
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.member import Member, MemberRun, make_member_runs
from jaxcnn.training.member_programs import Form, choose_form
from jaxcnn.training.population import Population
from jaxcnn.training.run import Run, describe_data, make_run
from jaxcnn.training.transfer import load_start, start_from
from jaxcnn.training.variation import check_population
from jaxcnn.workdir.endings import read_ended
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.run_files import missing_parts
from jaxcnn.workdir.run_parts import notes_on_parts
from jaxcnn.workdir.weights import RunWeights


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The members of a population before they are opened.

    Attributes:
      workdir: the population's folder.
      fields: the values of each field that varies.
      members: the fields' values of each member.
      configs: the checked config of each member.
      num_devices: `config.num_devices`, over which the members are spread; 0 for all.
    """

    workdir: Path
    fields: Mapping[str, Sequence[Any]]
    members: Sequence[Assignment]
    configs: Sequence[ConfigDict]
    num_devices: int

    def form(self, run: Run) -> Form:
        """Return the members that are trained at a time.

        Raises:
          UserError: there are not so many devices.
        """
        available = jax.local_device_count()
        if self.num_devices > available:
            raise UserError(
                f"config.num_devices = {self.num_devices}: there are only {available} devices"
            )
        return choose_form(run.plan.network, len(self.members), self.num_devices or available)


def make_sweep(config: ConfigDict | str | Path, sweep: str, workdir: str | Path) -> Sweep:
    """Return the members of a sweep.

    Args:
      config: the config that the sweep varies, or what `load_config` takes.
      sweep: the fields and their values, see `parse_sweep`.
      workdir: the population's folder.

    Raises:
      UserError: the sweep or a member's config is wrong, or one compiled step cannot train them.
    """
    workdir = check_workdir(workdir)
    config = own_config(config, None, workdir)
    num_devices, config.num_devices = config.num_devices, 1
    fields = parse_sweep(sweep, config)
    members = assignments(fields)
    configs = [own_config(with_values(config, values), None, workdir) for values in members]
    check_population(configs)
    return Sweep(workdir, fields, members, configs, num_devices)


def train_population(
    config: ConfigDict | str | Path,
    sweep: str,
    workdir: str | Path,
    *,
    quiet: bool = False,
    console: Console | None = None,
    data_at: Path | None = None,
) -> dict[str, Any]:
    """Train the members of a sweep as a population, or resume the population in a folder.

    Each member is a run in `workdir/members/000` and so on, with all files of a run. A member whose
    loss is not finite ends alone. The same call resumes a population that was interrupted.

    Args:
      config, sweep, workdir: see `make_sweep`.
      quiet: print warnings alone.
      console: shows the training; standard output by default.
      data_at: where the data are, if not where the config says.

    Returns:
      The content of the population's `result.json`, with a row for each member.

    Raises:
      UserError: an argument or a folder is wrong; nothing there is changed.
      Diverged: the loss of every member was not finite.
      Stopped: a signal asked for it; all members are saved.
    """
    planned = make_sweep(config, sweep, workdir)
    shown = PopulationConsole(console or Console(quiet=quiet), dict(enumerate(planned.members)))
    check_for_checkpoints(planned.workdir)
    refuse_among_pictures(
        planned.workdir, planned.configs[0].dataset.name, "name another --workdir"
    )
    if group.is_group():
        raise UserError("a population trains in one process; start it without --distributed")
    with open_folder(planned.workdir, planned.fields, planned.members):
        return _train(planned, Source(data_at=data_at), shown)


def _train(sweep: Sweep, source: Source, shown: PopulationConsole) -> dict[str, Any]:
    """Train what is left of a population in its open folder; return its result."""
    folders = [member_folder(sweep.workdir, index) for index in range(len(sweep.members))]
    is_left = [
        _result_of(folder, config) is None
        for folder, config in zip(folders, sweep.configs, strict=True)
    ]
    if not any(is_left):
        return _finish(sweep, folders, {}, source, shown)
    dataset = source.load(sweep.configs[0], folders[0])
    try_metrics(sweep.configs[0].metrics, dataset.class_names)
    runs, variation = make_member_runs(sweep.configs, dataset)
    form = sweep.form(runs[0].run)
    shown.start(sweep.configs[0], runs[0].run, sweep.workdir, form, is_left.count(True))
    with contextlib.ExitStack() as stack:
        load_weights = functools.cache(lambda: load_start(sweep.configs[0]))
        opener = _Opener(stack, describe_data(runs[0].run), source, shown, load_weights)
        members = {
            index: opener.open(index, folders[index], runs[index])
            for index in range(len(folders))
            if is_left[index]
        }
        shown.resume(members)
        ends = _Ends(members, folders, shown)
        ends.report()  # of members that were killed before their test
        slots = [members.get(index) for index in range(len(folders))]
        population = Population(slots, variation, form)
        with shown.live(members):
            population.train(ends.report)
    return _finish(sweep, folders, ends.failures, Source(dataset, source.data_at), shown)


def _result_of(folder: Path, config: ConfigDict) -> dict[str, Any] | None:
    """Return the result of a member that has ended; None while there is something left."""
    ended = read_ended(folder)
    return ended if ended and is_complete(folder, config, ended) else None


class _Ends:
    """Tests members when they end.

    Attributes:
      failures: the line of the error that ended a member, by its number.
    """

    def __init__(
        self, members: Mapping[int, Member], folders: Sequence[Path], shown: PopulationConsole
    ):
        self._members, self._folders, self._shown = members, folders, shown
        self._ended: set[int] = set()
        self.failures: dict[int, str] = {}

    def report(self) -> None:
        """Test the members that have ended since the last call, and show the epoch of all."""
        for index, member in self._members.items():
            if member.is_training or index in self._ended:
                continue
            self._ended.add(index)
            if member.failure:
                self.failures[index] = member.failure
                self._shown.warn(index, member.failure)
            else:
                _test(member, self._folders[index])
        self._shown.epoch(self._members)


@dataclasses.dataclass(frozen=True)
class _Opener:
    """Opens the folders of members, until the stack is closed.

    Attributes:
      stack: closes what is opened.
      description: the content of `dataset.json`.
      source: the place of the data.
      shown: shows warnings and notes.
      load_weights: returns those that `config.init_from` names, the same for all members.
    """

    stack: contextlib.ExitStack
    description: dict[str, Any]
    source: Source
    shown: PopulationConsole
    load_weights: Callable[[], RunWeights]

    def open(self, index: int, folder: Path, member_run: MemberRun) -> Member:
        """Return a member that starts, or resumes from its newest checkpoint."""
        run, config = member_run.run, member_run.run.plan.config
        is_first = is_new(folder, read_ended(folder))
        if is_first and config.init_from:
            state, lines = start_from(self.load_weights(), run.state)
            run = dataclasses.replace(run, state=state)
            self.shown.note(lines)
        opened = open_workdir(folder, config)
        changes, check_folder = self.stack.enter_context(opened)
        data_warnings = check_data(
            run, folder, self.description, self.source.data_at, is_new=is_first
        )
        for line in (*missing_parts(folder), *notes_on_parts(folder), *data_warnings):
            self.shown.warn(index, line)
        display = self.shown.display(index)
        member = Member.open(run, folder, display, check_folder)
        member.values = member_run.values
        self.stack.enter_context(contextlib.closing(member.saving.checkpoints))
        self.stack.enter_context(contextlib.closing(member.metrics))
        record_start(member, folder, self.description, changes)
        return member


def _test(member: Member, folder: Path) -> None:
    """Test a member that has ended, and write its result; its report follows at the end."""
    member.saving.checkpoints.wait()
    result = member.result()
    member.check_folder()
    write_json(folder / "result.json", result)


def _finish(
    sweep: Sweep,
    folders: Sequence[Path],
    failures: Mapping[int, str],
    source: Source,
    shown: PopulationConsole,
) -> dict[str, Any]:
    """Write the members' reports and the result of a population; show it and return it.

    Raises:
      Diverged: no member has ended well.
    """
    shown.note(["writing what is left of the members' reports"])
    rows = []
    for index, (folder, values) in enumerate(zip(folders, sweep.members, strict=True)):
        row = {"member": folder.name, "folder": str(folder.relative_to(sweep.workdir)), **values}
        if ended := _result_of(folder, sweep.configs[index]):
            complete_report(folder, sweep.configs[index], ended, shown.quiet, source)
        failed = {"ended": "diverged", "reason": failures.get(index, "")}
        rows.append(row | (ended or failed))
    result = {"fields": {n: list(v) for n, v in sweep.fields.items()}, "members": rows}
    if len(failures) == len(folders):
        write_json(sweep.workdir / "result.json", result)
        raise Diverged(f"{sweep.workdir}: all members diverged; the first: {failures[0]}")
    outcome = read_outcome(folders, sweep.fields, sweep.members)
    configs = {folder.name: config for folder, config in zip(folders, sweep.configs, strict=True)}
    write_report(outcome, configs, sweep.workdir, sweep.num_devices)
    result |= summary(outcome)
    write_json(sweep.workdir / "result.json", result)
    shown.result(outcome, sweep.workdir)
    return result


def describe_sweep(sweep: Sweep, data_at: Path | None = None) -> list[str]:
    """Return lines that say what a sweep would train, and the bytes that it takes."""
    run = make_run(sweep.configs[0], Source(data_at=data_at).load(sweep.configs[0], sweep.workdir))
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(run.state))
    keep = run.plan.config.checkpoint
    on_disk = size * (keep.keep_latest + keep.keep_best) * len(sweep.members)
    form = sweep.form(run)
    return [
        *(f"{index:03}  {describe_values(values)}" for index, values in enumerate(sweep.members)),
        f"{len(sweep.members)} members, {form}",
        f"each: {run.plan.num_epochs} epochs of {run.plan.steps_per_epoch} steps, "
        f"{run.plan.network.parameters:,} parameters",
        f"state in memory {_mebibytes(size * len(sweep.members))}; checkpoints on disk up to "
        f"{_mebibytes(on_disk)}",
    ]


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"

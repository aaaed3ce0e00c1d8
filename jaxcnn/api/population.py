"""Training a population: the members of a sweep, each a run in a folder of its own."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.api.arguments import Source, check_workdir, checked_config
from jaxcnn.api.group_data import GroupData
from jaxcnn.api.member_config import check_varied_fields, member_config
from jaxcnn.api.members import divergence_of, not_again, refuse_another_recipe, result_of
from jaxcnn.api.population_console import PopulationConsole
from jaxcnn.api.population_folder import check_sweep, member_folder, open_folder
from jaxcnn.api.population_programs import Trainer, describe_size, fit_form
from jaxcnn.api.run import complete_report
from jaxcnn.api.together import Members
from jaxcnn.config.sweep import Assignment, assignments, describe_values, parse_sweep
from jaxcnn.data.places import refuse_among_pictures
from jaxcnn.data.preparing.reporter import preparing
from jaxcnn.errors import Diverged, UserError
from jaxcnn.evaluation.metrics import try_metrics
from jaxcnn.files.paths import check_for_checkpoints
from jaxcnn.files.writing import write_json
from jaxcnn.process import group
from jaxcnn.reporting.sweep.outcome import read_outcome
from jaxcnn.reporting.sweep.page import summary, write_report
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.data_notes import refuse_unseen_classes
from jaxcnn.training.member import check_members, make_member_runs
from jaxcnn.training.run import make_run
from jaxcnn.training.variation import check_population, differing_fields, split_by_program
from jaxcnn.workdir.run_files import checkpoint_steps


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The members of a population before they are opened.

    Attributes:
      workdir: the population's folder.
      fields: the values of each field that varies.
      members: the fields' values of each member.
      configs: the checked config of each member.
      groups: the numbers of the members that one compiled step each trains.
      num_devices: `config.num_devices`, over which the members are spread; 0 for all.
    """

    workdir: Path
    fields: Mapping[str, Sequence[Any]]
    members: Sequence[Assignment]
    configs: Sequence[ConfigDict]
    groups: Sequence[Sequence[int]]
    num_devices: int

    def folder(self, index: int) -> Path:
        """Return the folder of a member."""
        return member_folder(self.workdir, index)


def make_sweep(config: ConfigDict | str | Path, sweep: str, workdir: str | Path) -> Sweep:
    """Return the members of a sweep.

    Args:
      config: the config that the sweep varies, or what `load_config` takes.
      sweep: the fields and their values, see `parse_sweep`.
      workdir: the population's folder.

    Raises:
      UserError: the sweep or a member's config is wrong.
    """
    workdir = check_workdir(workdir)
    config = checked_config(config, None, workdir)
    num_devices, config.num_devices = config.num_devices, 1
    fields = parse_sweep(sweep, config)
    check_varied_fields("--sweep", fields, config)
    members = assignments(fields)
    configs = [member_config("--sweep", config, values, workdir) for values in members]
    groups = split_by_program(configs)
    for numbers in groups:
        check_population([configs[number] for number in numbers])
    return Sweep(workdir, fields, members, configs, groups, num_devices)


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
    data = GroupData(Source(data_at=data_at), planned.folder(0))
    with preparing(quiet=quiet):
        if planned.workdir.is_dir():  # what can be refused without data
            check_sweep(planned.workdir, planned.members)
            _refuse_other_recipes(planned)
        _check_groups(planned, data)
        with open_folder(planned.workdir, planned.fields, planned.members):
            failures = _train(planned, data, shown)
            data.release()
            return _finish(planned, failures, data.source, shown)


def _refuse_other_recipes(sweep: Sweep) -> None:
    for index, config in enumerate(sweep.configs):
        refuse_another_recipe(sweep.folder(index), config)


def _check_groups(sweep: Sweep, data: GroupData) -> None:
    """Check that each group with something left fits its data, before the first one trains.

    Raises:
      UserError: a group does not; the line names the field and its value.
    """
    for numbers in sweep.groups:
        configs = [sweep.configs[number] for number in numbers]
        folders = [sweep.folder(number) for number in numbers]
        pairs = zip(folders, configs, strict=True)
        if all(divergence_of(folder) or result_of(folder, config) for folder, config in pairs):
            continue
        dataset = data.load(configs[0])
        try_metrics(configs[0].metrics, dataset.class_names)
        views = check_members(configs, dataset)
        if not any(map(checkpoint_steps, folders)):
            refuse_unseen_classes(dataset, views)
        del dataset  # the memory may not hold another one beside it


def _train(sweep: Sweep, data: GroupData, shown: PopulationConsole) -> dict[int, str]:
    """Train what is left of a population in its open folder; return the members' errors."""
    _refuse_other_recipes(sweep)
    failures: dict[int, str] = {}
    for index in range(len(sweep.configs)):
        if diverged := divergence_of(sweep.folder(index)):
            failures[index] = diverged["reason"]
            shown.warn(index, not_again(sweep.folder(index), diverged["reason"]))
    is_left = [
        index not in failures and result_of(sweep.folder(index), config) is None
        for index, config in enumerate(sweep.configs)
    ]
    constants = differing_fields([sweep.configs[numbers[0]] for numbers in sweep.groups])
    with contextlib.closing(Trainer()) as trainer:
        for position, numbers in enumerate(sweep.groups, 1):
            left = [index for index in numbers if is_left[index]]
            if not left:
                continue
            if len(sweep.groups) > 1:
                values = {n: v for n, v in sweep.members[numbers[0]].items() if n in constants}
                shown.group(position, len(sweep.groups), values)
            failures |= _train_group(sweep, numbers, left, data, shown, trainer)
    return failures


def _train_group(
    sweep: Sweep,
    numbers: Sequence[int],
    left: Sequence[int],
    data: GroupData,
    shown: PopulationConsole,
    trainer: Trainer,
) -> dict[int, str]:
    """Train the members of a group that are left; return the errors that ended members."""
    config = sweep.configs[numbers[0]]
    dataset = data.load(config)
    try_metrics(config.metrics, dataset.class_names)
    runs = make_member_runs([sweep.configs[number] for number in numbers], dataset)
    members = Members(
        sweep.workdir,
        {number: sweep.folder(number) for number in numbers},
        {number: sweep.configs[number] for number in numbers},
        dict(zip(numbers, runs, strict=True)),
        sweep.num_devices,
        describe=lambda member_run: member_run.template.description,
    )
    return members.train(left, data.source.data_at, shown, trainer)


def _finish(
    sweep: Sweep, failures: Mapping[int, str], source: Source, shown: PopulationConsole
) -> dict[str, Any]:
    """Write the members' reports and the result of a population; show it and return it.

    Raises:
      Diverged: no member has ended well.
    """
    shown.note(["writing what is left of the members' reports"])
    folders = [sweep.folder(index) for index in range(len(sweep.members))]
    rows = []
    with shown.reports(rows):
        for index, (folder, values) in enumerate(zip(folders, sweep.members, strict=True)):
            place = str(folder.relative_to(sweep.workdir))
            if ended := result_of(folder, sweep.configs[index]):
                complete_report(folder, sweep.configs[index], ended, shown.quiet, source)
            failed = {"ended": "diverged", "reason": failures.get(index, "")}
            row = {"member": folder.name, "folder": place, **values}
            rows.append(row | (ended or failed) | values)
            if ended and "num_epochs" in values:  # here the config's
                rows[-1]["epochs"] = ended["num_epochs"]
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
    lines = []
    for numbers in sweep.groups:
        config = sweep.configs[numbers[0]]
        run = make_run(config, Source(data_at=data_at).load(config, sweep.folder(0)))
        form = fit_form([run] * len(numbers), sweep.num_devices)
        lines += [
            *(f"{index:03}  {describe_values(sweep.members[index])}" for index in numbers),
            f"{len(numbers)} members, {form}",
            f"each: {run.plan.num_epochs} epochs of {run.plan.steps_per_epoch} steps, "
            f"{run.plan.network.parameters:,} parameters",
            describe_size(run, len(numbers), len(numbers)),
        ]
    return lines

"""Lines about a search: what it would train, before it begins."""

import itertools
import math
from pathlib import Path

from jaxcnn.api.population_programs import describe_size, fit_form
from jaxcnn.api.search.evolution import num_births
from jaxcnn.api.search.halving import epochs_of
from jaxcnn.api.search.plan import Search
from jaxcnn.api.search.programs import Programs
from jaxcnn.api.search.study import without_password
from jaxcnn.config.sweep import Range, Values, describe_values, ends_of, value_text
from jaxcnn.errors import UserError
from jaxcnn.training.member_programs import Form
from jaxcnn.training.plan import Plan

_MOST_SHOWN = 20  # compiled steps


def describe(search: Search, form: Form) -> list[str]:
    """Return lines about a search: its fields, trials and sampler.

    Args:
      search: the search.
      form: in which the first trials train.
    """
    how = f", chosen by {search.sampler}"
    if search.minimize:
        how += f" for high accuracy and few {search.minimize}"
    if search.halving:
        how = f", halved{how}"
    if search.generation:
        rhythm = "each epoch" if search.generation == 1 else f"every {search.generation} epochs"
        how = f", the worst quarter replaced after {rhythm}"
    is_mixed = search.constants and form.num_processes == 1
    together = "those of a compiled step train together" if is_mixed else str(form)
    return [
        *(f"  {name} = {_listed(values)}" for name, values in search.fields.items()),
        f"{search.num_trials} trials in populations of {search.population}{how}; {together}",
    ]


def _listed(values: Values) -> str:
    return str(values) if isinstance(values, Range) else ",".join(map(value_text, values))


def describe_search(search: Search, data_at: Path | None = None) -> list[str]:
    """Return lines that say what a search would train, and the bytes that it takes."""
    programs, config = Programs(search, data_at), search.config
    programs.check_each_value()
    lines, plans = _describe_programs(search, programs)
    largest = max(plans, key=lambda plan: plan.network.parameters)
    run = programs.template(largest.config).run
    epochs = max(plan.num_epochs for plan in plans)
    total, num_folders = search.num_trials * epochs, search.num_trials
    if search.halving:
        populations = math.ceil(search.num_trials / search.population)
        total = populations * epochs_of(search.population, epochs)
    if search.generation:
        num_folders += num_births(search.population, epochs, search.generation)
    return [
        *describe(search, fit_form([run] * search.population, config.num_devices)),
        *lines,
        f"{total:,} epochs over all trials at most",
        describe_size(run, search.population, num_folders),
        *([] if search.generation else [f"study in {without_password(search.address)}"]),
    ]


def _describe_programs(search: Search, programs: Programs) -> tuple[list[str], list[Plan]]:
    """Return lines about the compiled steps of a search, and a plan of each that is possible."""
    varying = {name: ends_of(search.fields[name]) for name in search.constants}
    num_combinations = math.prod(map(len, varying.values()))
    lines, plans = [], [programs.first_plan({})]
    if varying:
        lines.append(f"each value of {', '.join(varying)} has a compiled step of its own, such as")
    for combination in itertools.islice(itertools.product(*varying.values()), _MOST_SHOWN):
        values = dict(zip(varying, combination, strict=True))
        try:
            plan = programs.first_plan(values)
        except UserError as error:
            lines.append(f"  {describe_values(values)}: not possible: {error}")
            continue
        plans.append(plan)
        prefix = f"  {describe_values(values)}" if values else "each"
        lines.append(
            f"{prefix}: {plan.num_epochs} epochs of {plan.steps_per_epoch} steps, "
            f"{plan.network.parameters:,} parameters"
        )
    if num_combinations > _MOST_SHOWN:
        lines.append(f"  and {num_combinations - _MOST_SHOWN:,} more")
    return lines, plans

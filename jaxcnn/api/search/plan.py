"""The plan of a search: its fields, trials and sampler, checked before anything is written."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from sqlalchemy.engine import URL

from jaxcnn.api.arguments import Source, check_workdir, own_config
from jaxcnn.api.members import describe_size, fit_form
from jaxcnn.api.search.evolution import num_births
from jaxcnn.api.search.halving import epochs_of
from jaxcnn.api.search.sampler import SAMPLERS
from jaxcnn.api.search.study import without_password
from jaxcnn.config.defaults import flatten, to_dict
from jaxcnn.config.fields import effect_of
from jaxcnn.config.rules import Effect
from jaxcnn.config.sweep import Interval, Values, parse_search, value_text, with_values
from jaxcnn.errors import UserError
from jaxcnn.training.run import make_run
from jaxcnn.training.variation import check_population

_DATABASE = "study.db"


@dataclasses.dataclass(frozen=True)
class Search:
    """A search before its folder is opened.

    Attributes:
      workdir: the search's folder.
      config: the checked config that the search varies.
      fields: the values that each field may take.
      num_trials: trials of the whole study.
      population: trials that are asked and trained together.
      sampler: "tpe" or "cmaes"; "pbt" for population-based training, which asks no study.
      url: the address of the study's storage; "" for a file in the folder.
      halving: whether the worst members of a population are dropped early.
      generation: epochs after which the worst members of a single population are replaced; 0 for
        a study of many populations.
    """

    workdir: Path
    config: ConfigDict
    fields: Mapping[str, Values]
    num_trials: int
    population: int
    sampler: str
    url: str
    halving: bool
    generation: int

    @property
    def address(self) -> str:
        """The address of the study's storage."""
        path = self.workdir.absolute() / _DATABASE
        return self.url or URL.create("sqlite", database=str(path)).render_as_string()

    @property
    def name(self) -> str:
        """The study's name in its storage: it follows from the config and the fields."""
        ignored = (Effect.ABOUT, Effect.NONE)
        leaves = flatten(to_dict(self.config)).items()
        recipe = {name: value for name, value in leaves if effect_of(name) not in ignored}
        generations = [self.generation, self.population] if self.generation else []
        parts = [sorted(recipe.items()), describe_fields(self.fields), *generations]
        text = json.dumps(parts)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"{self.config.model.name}-{self.config.dataset.name}-{digest}"


def describe_fields(fields: Mapping[str, Values]) -> dict[str, Any]:
    """Return the values that each field may take, as `search.json` has them."""
    return {n: str(v) if isinstance(v, Interval) else list(v) for n, v in fields.items()}


def make_search(
    config: ConfigDict | str | Path,
    search: str,
    workdir: str | Path,
    *,
    num_trials: int = 60,
    population: int = 8,
    sampler: str = "tpe",
    url: str = "",
    halving: bool = False,
    generation: int = 0,
) -> Search:
    """Return a search, checked.

    Args:
      config: the config that the search varies, or what `load_config` takes.
      search: the fields and their values, see `parse_search`.
      workdir, num_trials, population, sampler, url, halving, generation: see `Search`.

    Raises:
      UserError: an argument is wrong, an end of a field's values is not allowed, or one compiled
        step cannot train the trials.
    """
    workdir = check_workdir(workdir)
    config = own_config(config, None, workdir)
    if config.validation == "test":
        raise UserError(
            "config.validation = 'test': a search would choose by the test split; give "
            "--config.validation=holdout"
        )
    if sampler not in SAMPLERS:
        allowed = " or ".join(SAMPLERS)
        reason = "all trials have the same parameters; " if sampler == "nsga2" else ""
        raise UserError(f"--sampler={sampler}: {reason}allowed is {allowed}")
    fields = parse_search(search, config)
    single = with_values(config, {"num_devices": 1})
    ends = [
        own_config(with_values(single, {name: value}), None, workdir)
        for name, values in fields.items()
        for value in ((values.low, values.high) if isinstance(values, Interval) else values)
    ]
    check_population([single, *ends])
    if generation:
        _check_generations(config, fields, population, url, halving)
        num_trials, sampler = population, "pbt"
    return Search(
        workdir, config, fields, num_trials, population, sampler, url, halving, generation
    )


def _check_generations(
    config: ConfigDict, fields: Mapping[str, Values], population: int, url: str, halving: bool
) -> None:
    """Check that a population can train in generations."""
    if url or halving:
        raise UserError("--pbt: trains one population without a study; drop --study and --halving")
    if population < 2:
        raise UserError("--pbt: needs two members or more; give --population=8")
    for name in fields:
        if effect_of(name) not in (Effect.NUMBERS, Effect.END):
            raise UserError(f"--search: {name} cannot change within a run, so not with --pbt")
    if config.num_steps:
        raise UserError("--pbt: counts epochs; give --config.num_epochs in place of num_steps")


def about(search: Search) -> dict[str, Any]:
    """Return the fields of `result.json` about the search itself."""
    return {
        "study": search.name,
        "sampler": search.sampler,
        "seed": search.config.seed,
        "objective": f"validation accuracy of the {search.config.test_with} weights",
        "fields": describe_fields(search.fields),
    }


def describe(search: Search, form: str) -> list[str]:
    """Return lines about a search: its fields, trials and sampler."""
    how = f", chosen by {search.sampler}"
    if search.halving:
        how = f", halved{how}"
    if search.generation:
        each = "each epoch" if search.generation == 1 else f"every {search.generation} epochs"
        how = f", the worst quarter replaced after {each}"
    return [
        *(f"  {name} = {_listed(values)}" for name, values in search.fields.items()),
        f"{search.num_trials} trials in populations of {search.population}{how}; {form}",
    ]


def _listed(values: Values) -> str:
    return str(values) if isinstance(values, Interval) else ",".join(map(value_text, values))


def describe_search(search: Search, data_at: Path | None = None) -> list[str]:
    """Return lines that say what a search would train, and the bytes that it takes."""
    single = with_values(search.config, {"num_devices": 1})
    run = make_run(single, Source(data_at=data_at).load(single, search.workdir))
    form = fit_form(run, search.population, search.config.num_devices)
    epochs, populations = run.plan.num_epochs, math.ceil(search.num_trials / search.population)
    total = search.num_trials * epochs
    if search.halving:
        total = populations * epochs_of(search.population, epochs)
    num_folders = search.num_trials
    if search.generation:
        num_folders += num_births(search.population, epochs, search.generation)
    return [
        *describe(search, str(form)),
        f"each: at most {epochs} epochs of {run.plan.steps_per_epoch} steps, "
        f"{run.plan.network.parameters:,} parameters; {total:,} epochs over all trials",
        describe_size(run, search.population, num_folders),
        *([] if search.generation else [f"study in {without_password(search.address)}"]),
    ]

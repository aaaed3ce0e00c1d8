"""The plan of a search: its fields, trials and sampler, checked before anything is written."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from sqlalchemy.engine import URL

from jaxcnn.api.arguments import check_workdir, checked_config
from jaxcnn.api.member_config import check_varied_fields
from jaxcnn.api.search.sampler import SAMPLERS
from jaxcnn.api.search.scores import COSTS
from jaxcnn.api.search.trial_config import check_each_value, trial_config
from jaxcnn.config.defaults import flatten, to_dict
from jaxcnn.config.fields import effect_of
from jaxcnn.config.rules import Effect
from jaxcnn.config.sweep import Range, Values, parse_search
from jaxcnn.errors import UserError
from jaxcnn.training.variation import fields_of

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
      sampler: "tpe", "cmaes" or "nsga2"; "pbt" for population-based training, which asks no study.
      url: the address of the study's storage; "" for a file in the folder.
      halving: whether the worst members of a population are dropped early.
      generation: epochs after which the worst members of a single population are replaced; 0 for
        a study of many populations.
      minimize: the cost that is weighed against accuracy, one of `COSTS`; "" for none.
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
    minimize: str = ""

    @property
    def constants(self) -> list[str]:
        """The fields that need a compiled step for each value."""
        return [name for name in self.fields if name not in fields_of(self.config)]

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
        minimize = [self.minimize] if self.minimize else []
        parts = [sorted(recipe.items()), values_as_json(self.fields), *generations, *minimize]
        text = json.dumps(parts)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"{self.config.model.name}-{self.config.dataset.name}-{digest}"


def values_as_json(fields: Mapping[str, Values]) -> dict[str, Any]:
    """Return the values that each field may take, as `search.json` has them."""
    return {n: str(v) if isinstance(v, Range) else list(v) for n, v in fields.items()}


def make_search(
    config: ConfigDict | str | Path,
    search: str,
    workdir: str | Path,
    *,
    num_trials: int = 60,
    population: int = 8,
    sampler: str = "",
    url: str = "",
    halving: bool = False,
    generation: int = 0,
    minimize: str = "",
) -> Search:
    """Return a search, checked.

    Args:
      config: the config that the search varies, or what `load_config` takes.
      search: the fields and their values, see `parse_search`.
      workdir, num_trials, population, url, halving, generation, minimize: see `Search`.
      sampler: see `Search`; "" for the usual one.

    Raises:
      UserError: an argument is wrong, or a value of a field is not possible.
    """
    workdir = check_workdir(workdir)
    config = checked_config(config, None, workdir)
    if config.validation == "test":
        raise UserError(
            "config.validation = 'test': a search would choose by the test split; give "
            "--config.validation=holdout"
        )
    if sampler and generation:
        raise UserError("--sampler: --pbt has its own; drop one of them")
    sampler = _choose_sampler(sampler, minimize)
    fields = parse_search(search, config)
    check_varied_fields("--search", fields, config)
    if generation:
        _check_generations(config, fields, population, url, halving)
        num_trials, sampler = population, "pbt"
    planned = Search(
        workdir, config, fields, num_trials, population, sampler, url, halving, generation, minimize
    )
    if halving:
        _check_lengths(planned)
    if minimize:
        _check_cost(planned)
    if generation >= config.num_epochs:
        raise UserError(
            f"--pbt={generation}: must be less than config.num_epochs = {config.num_epochs}; "
            "else no member is replaced"
        )
    check_each_value(fields, config.seed, lambda values: trial_config(config, values, workdir))
    return planned


def _choose_sampler(sampler: str, minimize: str) -> str:
    """Return the sampler, or the usual one for ""; NSGA-II is the one for two objectives."""
    if minimize and minimize not in COSTS:
        raise UserError(f"--minimize={minimize}: allowed is {', '.join(COSTS)}")
    if sampler == "nsga2" and not minimize:
        raise UserError("--sampler=nsga2: weighs accuracy against a cost; give --minimize as well")
    allowed = ("nsga2",) if minimize else SAMPLERS
    if sampler and sampler not in allowed:
        with_cost = " with --minimize" if minimize else ""
        raise UserError(f"--sampler={sampler}: allowed is {' or '.join(allowed)}{with_cost}")
    return sampler or allowed[0]


def _check_cost(search: Search) -> None:
    """Check that a search can weigh accuracy against its cost."""
    if search.halving or search.generation:
        raise UserError("--minimize: compares whole trainings; drop --halving and --pbt")
    if search.population < 2:
        raise UserError("--minimize: NSGA-II needs two trials or more; give --population=8")
    is_fixed = not any(name.startswith(("model.", "dataset.image_")) for name in search.fields)
    if search.minimize != "seconds" and is_fixed:
        raise UserError(
            f"--minimize={search.minimize}: all trials have the same network; vary a field such "
            "as model.name"
        )


def _check_lengths(search: Search) -> None:
    """Check that all trials of a search have the same number of epochs."""
    for name in ("num_epochs", "num_steps"):
        if name in search.fields:
            raise UserError(f"--halving: counts epochs, so {name} cannot vary")
    if search.config.num_steps and search.constants:
        raise UserError("--halving: counts epochs; give --config.num_epochs in place of num_steps")


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
        if name not in fields_of(config):
            raise UserError(
                f"--search: {name} needs a compiled step for each value, so not with --pbt"
            )
    if config.num_steps:
        raise UserError("--pbt: counts epochs; give --config.num_epochs in place of num_steps")


def about(search: Search) -> dict[str, Any]:
    """Return the fields of `result.json` about the search itself."""
    return {
        "study": search.name,
        "sampler": search.sampler,
        "seed": search.config.seed,
        "objective": f"validation accuracy of the {search.config.test_with} weights",
        **({"minimize": search.minimize} if search.minimize else {}),
        "fields": values_as_json(search.fields),
    }

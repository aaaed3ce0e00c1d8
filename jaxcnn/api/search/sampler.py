"""Samplers of a search: each trial's values follow from the seed, its number and the results."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from jaxcnn.config.sweep import Assignment, Values

SAMPLERS = ("tpe", "cmaes")
_NUM_RANDOM = 8  # trials before TPE learns from results
_SEEDS = 2**32


def make_sampler(name: str, seed: int, population: int) -> "SeededSampler":
    """Return a sampler: Optuna's "tpe" or "cmaes", or "nsga2" for two objectives.

    The trials of the first population are random; with "tpe", so are the first eight trials.

    Args:
      name: of the sampler.
      seed: of the study.
      population: trials of a generation, for "nsga2".
    """
    makers: dict[str, Callable[[int], BaseSampler]] = {
        "tpe": lambda seed: TPESampler(
            seed=seed, n_startup_trials=_NUM_RANDOM, multivariate=True, constant_liar=True
        ),
        "nsga2": lambda seed: _Nsga2(population_size=population, seed=seed),
        "cmaes": lambda seed: CmaEsSampler(seed=seed, warn_independent_sampling=False),
    }
    return SeededSampler(makers[name], seed)


def suggest(trial: Trial, fields: Mapping[str, Values]) -> Assignment:
    """Return the values of a trial; those that it lacks are chosen."""
    return {name: _suggest(trial, name, values) for name, values in fields.items()}


def _suggest(trial: Trial, name: str, values: Values) -> Any:
    if isinstance(values, list):
        return trial.suggest_categorical(name, values)
    is_log = values.scale == "log"
    if isinstance(values.low, int):
        return trial.suggest_int(name, values.low, int(values.high), log=is_log)
    step = 1.0 if values.is_whole else None
    return trial.suggest_float(name, values.low, values.high, log=is_log, step=step)


class _Nsga2(NSGAIISampler):
    """NSGA-II whose draws do not depend on whether an earlier trial has stored the parents."""

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation, by number."""
        parents = super().get_parent_population(study, generation)
        return sorted(parents, key=lambda trial: trial.number)


class SeededSampler(BaseSampler):
    """A sampler whose random numbers follow from the study's seed and the trial's number.

    A study that goes on in another process asks for the same values as one that was not
    interrupted, and processes that share a study ask for different values.

    Args:
      make: returns a sampler for a seed.
      seed: of the study.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int):
        self._make, self._seed = make, seed
        self._sampler = make(seed % _SEEDS)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Take the random numbers of the trial."""
        self._sampler = self._make((self._seed * 1_000_003 + trial.number) % _SEEDS)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the fields that are sampled together."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values of the fields that are sampled together."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of another field."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Learn that a trial has ended."""
        self._sampler.after_trial(study, trial, state, values)

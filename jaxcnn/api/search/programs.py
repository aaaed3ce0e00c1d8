"""The programs of a search: what trials of one compiled step share is prepared once, and kept."""

from pathlib import Path
from weakref import WeakValueDictionary

from ml_collections import ConfigDict

from jaxcnn.api.arguments import Source
from jaxcnn.api.population_folder import member_folder
from jaxcnn.api.population_programs import MOST_PROGRAMS
from jaxcnn.api.search.plan import Search
from jaxcnn.api.search.trial_config import check_each_value, trial_config, try_values
from jaxcnn.config.sweep import Assignment
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.loading import image_size_of
from jaxcnn.evaluation.metrics import try_metrics
from jaxcnn.training.member import Template, make_template
from jaxcnn.training.plan import Plan, resolve
from jaxcnn.training.variation import fields_of, program_of


class Programs:
    """The data and the compiled steps of a search's trials.

    Args:
      search: the search.
      data_at: the place of the data; None for the one in the config.
    """

    def __init__(self, search: Search, data_at: Path | None):
        self._search, self.data_at = search, data_at
        self._datasets: WeakValueDictionary[tuple, Dataset] = WeakValueDictionary()
        self._newest: Dataset | None = None  # stays, also if no program uses it yet
        self._templates: dict[str, Template] = {}  # the one that was used last is the last one

    @property
    def has_generations(self) -> bool:
        """True if trials go on from copies of others, with other values."""
        return bool(self._search.generation)

    def config(self, number: int, values: Assignment) -> ConfigDict:
        """Return the checked config of a trial.

        Raises:
          UserError: the values do not fit each other.
        """
        return trial_config(self._search.config, values, self.folder(number))

    def folder(self, number: int) -> Path:
        """Return the folder of a trial."""
        return member_folder(self._search.workdir, number)

    def source(self, config: ConfigDict) -> Source:
        """Return the place of a trial's data, or the data if they are loaded."""
        return Source(self._datasets.get(_data_key(config)), self.data_at)

    def dataset(self, config: ConfigDict) -> Dataset:
        """Return the dataset of a trial.

        Raises:
          UserError: it cannot be loaded, or does not fit the config.
        """
        dataset = self.source(config).load(config, self.folder(0))
        self._newest = self._datasets[_data_key(config)] = dataset
        return dataset

    def plan(self, config: ConfigDict) -> Plan:
        """Return the plan of a trial.

        Raises:
          UserError: config, data and devices do not fit each other.
        """
        dataset = self.dataset(config)
        try_metrics(config.metrics, dataset.class_names)
        return resolve(config, dataset)

    def check_each_value(self) -> None:
        """Check that each value of a list and each end of a range is possible with the data.

        Raises:
          UserError: one is not, with any of the other values.
        """
        check_each_value(self._search.fields, self._search.config.seed, self._plan_of)

    def first_plan(self, fixed: Assignment) -> Plan:
        """Return the plan of a trial that has some values, and any others.

        Raises:
          UserError: there is none.
        """
        return try_values(self._search.fields, self._search.config.seed, fixed, self._plan_of)

    def _plan_of(self, values: Assignment) -> Plan:
        return self.plan(self.config(0, values))

    def template(self, config: ConfigDict) -> Template:
        """Return the parts that a trial shares with others; it is kept for some time.

        Raises:
          UserError: config, data and devices do not fit each other.
        """
        key = program_of(config)
        template = self._templates.pop(key, None)
        if template is None:
            dataset = self.dataset(config)
            fields = self._search.fields.keys() & set(fields_of(config))
            template = make_template(config, dataset, fields, self._templates.values())
        self._templates[key] = template
        if len(self._templates) > max(MOST_PROGRAMS, self._search.population):
            del self._templates[next(iter(self._templates))]
        return template


def _data_key(config: ConfigDict) -> tuple:
    """Return the fields that may vary and that decide what is loaded."""
    return image_size_of(config.dataset), config.dataset.fit

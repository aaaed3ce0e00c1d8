"""The configs of the members of a sweep, and of the trials of a search."""

from collections.abc import Mapping
from pathlib import Path

from ml_collections import ConfigDict

from jaxcnn.api.arguments import checked_config
from jaxcnn.config.defaults import flatten
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.rules import Effect
from jaxcnn.config.sweep import Assignment, Values, ends_of, with_values
from jaxcnn.config.unused import is_unused, takers
from jaxcnn.errors import UserError
from jaxcnn.models import model_config
from jaxcnn.text import join_names
from jaxcnn.training.plan import refuse_open_batch_size

# fields that say what is validated and tested, and on what
_COMMON = (
    "dataset.name", "dataset.data_dir", "dataset.split", "dataset.label_set", "dataset.exclude",
    "validation", "validation_fraction", "holdout", "test_with", "fold", "folds", "num_devices",
)  # fmt: skip
_OF_ONE_RUN = ("deterministic",)  # a member with another value would be taken for a repeated run


def check_varied_fields(flag: str, fields: Mapping[str, Values], config: ConfigDict) -> None:
    """Check that configs that differ in some fields can be ranked by their accuracies.

    Args:
      flag: begins the text of an error.
      fields: the values that each field may take.
      config: the config that is varied.

    Raises:
      UserError: they cannot be ranked, or a field has no effect in any of them.
    """
    for name in fields:
        if name in _COMMON:
            raise UserError(
                f"{flag}: {name} cannot vary: the accuracies would not be comparable; start a "
                f"{flag.removeprefix('--')} for each value"
            )
        effect = FIELDS[name].effect if name in FIELDS else Effect.NUMBERS
        if effect in (Effect.ABOUT, Effect.NONE) or name in _OF_ONE_RUN:
            raise UserError(
                f"{flag}: {name} cannot vary: it changes no number of the training, so all members "
                "would be one recipe"
            )
        owner, names = takers(name)
        if not owner:
            continue
        parts = ends_of(fields.get(owner, [flatten(config)[owner]]))
        if is_unused(name, parts):
            raise UserError(
                f"{flag}: {name} cannot vary: it has no effect with {owner} = "
                f"{join_names(parts)}; it is taken by {join_names(names)}"
            )


def member_config(flag: str, config: ConfigDict, values: Assignment, folder: Path) -> ConfigDict:
    """Return a checked config with other values of some fields.

    Another network has its usual options.

    Args:
      flag: begins the text of an error.
      config: the config that is varied.
      values: of the fields.
      folder: of the run, see `checked_config`.

    Raises:
      UserError: the network has no such option, the values do not fit each other, or the batch
        size is still to be found.
    """
    name = values.get("model.name", config.model.name)
    if name != config.model.name:
        config = config.copy_and_resolve_references()
        config.model = model_config(name)
    for field in values:
        if field.startswith("model.") and field.removeprefix("model.") not in config.model:
            raise UserError(f"{flag}: the network {name} has no {field}")
    config = checked_config(with_values(config, values), None, folder)
    refuse_open_batch_size(config)
    return config

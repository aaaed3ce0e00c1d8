"""The check of a config: what is wrong is named, with its value and what is allowed."""

from pathlib import Path

import pytest
from ml_collections import ConfigDict

from jaxcnn.config import check_config, config_variants, default_config
from jaxcnn.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("num_epochs", 0, "config.num_epochs = 0: allowed is at least 1"),
        ("parallel", "gpu", "config.parallel = 'gpu': allowed is one of pmap, shard_map"),
        ("optimizer.name", "adan", "config.optimizer.name = 'adan': allowed is one of"),
        ("optimizer.learning_rate", float("nan"), "config.optimizer.learning_rate = nan"),
        ("optimizer.momentum", 1.0, "at least 0 and less than 1"),
        ("loss.label_smoothing", -0.1, "config.loss.label_smoothing = -0.1"),
        ("schedule.boundaries", (5, 3), "rising positive epochs"),
        ("model.name", "lenett", "config.model.name = 'lenett': allowed is one of"),
        ("model.name", "simpler_cnn_", "config.model.name"),
        ("dataset.label_set", "coarse", "only cifar100 has label sets"),
    ],
)
def test_a_wrong_value_is_named(field, value, said):
    config = default_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError) as error:
        check_config(config)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_wrong_type_is_named():
    config = ConfigDict(default_config().to_dict(), type_safe=False)
    config.num_epochs = "many"
    with pytest.raises(UserError, match="config.num_epochs = 'many': must be of type int"):
        check_config(config)


def test_an_unknown_field_and_option_are_named():
    config = default_config().unlock()
    config.optimizer.unlock()
    config.optimizer.rate = 0.1
    with pytest.raises(UserError, match="config.optimizer.rate is not a field"):
        check_config(config)
    config = default_config().unlock()
    config.model.unlock()
    config.model.depth = 3
    with pytest.raises(UserError, match="network lenet has no option 'depth'"):
        check_config(config)


def test_a_missing_field_is_named():
    config = default_config().unlock()
    del config["seed"]
    with pytest.raises(UserError, match="config.seed is missing"):
        check_config(config)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"validation": "test", "test_with": "best"}, "choosing the epoch on the test split"),
        ({"optimizer.name": "adam", "optimizer.weight_decay": 0.1}, "use adamw"),
        ({"global_batch_size": 2, "optimizer.accumulation_steps": 3}, "at most"),
        ({"schedule.warmup_epochs": 40.0}, "less than config.num_epochs = 40"),
        ({"schedule.name": "step"}, "needs the epochs"),
    ],
)
def test_an_impossible_combination_is_refused(changes, said):
    config = default_config()
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=said):
        check_config(config)


VARIANTS = config_variants(CONFIGS)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_config_is_sound(name):
    check_config(VARIANTS[name]())


def test_an_unknown_variant_is_named():
    get_config = VARIANTS["lenet:cifar100"].func
    with pytest.raises(UserError, match="no variant 'imagenet'; allowed is one of cifar10"):
        get_config("imagenet")

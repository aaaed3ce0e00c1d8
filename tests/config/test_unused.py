"""Tests for the fields that an optimizer or a schedule does not take."""

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.config.defaults import flatten
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.unused import is_unused, notes_on_unused, takers
from jaxcnn.optim.optimizers import OPTIMIZERS, make_optimizer
from jaxcnn.optim.schedules import BATCH_SCALINGS, SCHEDULES, make_schedule

OTHERS = {
    "optimizer.momentum": 0.3, "optimizer.b1": 0.3, "optimizer.b2": 0.3, "optimizer.eps": 0.3,
    "schedule.decay_rate": 0.2, "schedule.decay_epochs": 3.0, "schedule.decay_steps": 7,
    "schedule.staircase": True, "schedule.factor": 0.4, "schedule.final_fraction": 0.5,
    "schedule.power": 2.0, "schedule.restart_epochs": 3.0, "schedule.restart_growth": 2.0,
}  # fmt: skip


KNOWN = {
    "optimizer.name": OPTIMIZERS,
    "optimizer.scale_with_batch": BATCH_SCALINGS,
    "schedule.name": SCHEDULES,
    "": {},
}


def config_with(**values):
    config = jaxcnn.default_config()
    config.schedule.update(boundaries=(2, 5), restart_epochs=2.0)
    with config.unlocked():
        config.update_from_flattened_dict(values)
    return config


def two_updates(config):
    optimizer = make_optimizer(config.optimizer, global_batch_size=8, num_steps=10)
    params = {"conv": {"kernel": np.full((3, 3, 2, 4), 0.1, np.float32)}}
    state, updates = optimizer.init(params), params
    for seed in range(2):
        gradient = np.random.default_rng(seed).normal(size=(3, 3, 2, 4)).astype(np.float32)
        updates, state = optimizer.update({"conv": {"kernel": gradient}}, state, params)
    return updates["conv"]["kernel"]


def rates(config):
    factor = make_schedule(config.schedule, learning_rate=0.1, steps_per_epoch=4, num_steps=40)
    return np.asarray(jax.vmap(factor)(np.arange(40, dtype=np.int32)) * np.ones(40))


@pytest.mark.parametrize("field", OTHERS)
def test_a_field_is_unused_where_it_changes_no_number(field):
    section = field.partition(".")[0]
    parts, numbers = (OPTIMIZERS, two_updates) if section == "optimizer" else (SCHEDULES, rates)
    for name in parts:
        if (field, name) == ("schedule.factor", "plateau"):  # its loop reduces the rate
            continue
        before, after = (
            numbers(config_with(**{f"{section}.name": name, field: value}))
            for value in (FIELDS[field].default, OTHERS[field])
        )
        changes = not np.array_equal(before, after)
        assert is_unused(field, [name]) == (not changes), name


def test_every_field_of_one_part_belongs_to_one_that_exists():
    for field in FIELDS:
        owner, names = takers(field)
        known = KNOWN[owner]
        assert set(names) <= set(known)
        assert not owner or is_unused(field, set(known) - set(names))


def test_a_note_names_the_parts_that_take_the_field():
    config = config_with(**{"optimizer.momentum": 0.5, "schedule.boundaries": ()})
    config.schedule.restart_epochs = FIELDS["schedule.restart_epochs"].default
    assert notes_on_unused(flatten(config)) == [
        "config.optimizer.momentum = 0.5 has no effect with config.optimizer.name = 'adam'; it is "
        "taken by momentum, nesterov, muon, airbench and airbench2025"
    ]
    config.optimizer.momentum = FIELDS["optimizer.momentum"].default
    config.phases = (1, "1 optimizer.b1=0.5 optimizer.momentum=0.5")
    (line,) = notes_on_unused(flatten(config))
    assert line.startswith("config.phases, phase '1 optimizer.b1=0.5 optimizer.momentum=0.5': con")
    assert "config.optimizer.momentum = 0.5 has no effect with config.optimizer.name" in line
    config.optimizer.name, config.phases = "momentum", (1, "1 optimizer.momentum=0.5")
    assert not notes_on_unused(flatten(config))


def test_a_part_of_the_user_may_take_any_field():
    config = config_with(**{"optimizer.momentum": 0.5, "optimizer.name": "mine"})
    config.schedule.name = "mine_too"
    assert not notes_on_unused(flatten(config))

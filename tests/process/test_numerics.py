"""JAX's settings that change numbers: they are recorded, and a run goes on under the same alone."""

import json
import pickle

import jax
import pytest

from jaxcnn.errors import UserError
from jaxcnn.models import model_config
from jaxcnn.process.numerics import (
    jax_options,
    numeric_settings,
    refuse_other_settings,
    set_jax_options,
)
from jaxcnn.workdir.folder import open_workdir


@pytest.fixture
def config(config):
    config.model = model_config("mlp", hidden=(8,))
    config.num_epochs = 1
    return config


def test_a_run_goes_on_under_the_settings_that_it_has_recorded(config, train, tmp_path):
    _, printed = train(config, tmp_path)
    assert "runs on 2 simulated devices on " in printed
    path = tmp_path / "environment.json"
    environment = json.loads(path.read_text())
    assert environment["settings"] == numeric_settings()
    message = "JAX_DEFAULT_MATMUL_PRECISION=None, now it is bfloat16"
    with jax.default_matmul_precision("bfloat16"):
        with pytest.raises(UserError, match=message):
            train(config, tmp_path)
        del environment["settings"]  # as older runs have none
        path.write_text(json.dumps(environment))
        with open_workdir(tmp_path, config) as (changes, _):
            assert changes == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("jax_enable_x64", True),
        ("jax_default_prng_impl", "rbg"),
        ("jax_threefry_partitionable", False),
        ("jax_random_seed_offset", 1),
    ],
)
def test_options_of_jax_are_seen_as_they_are_in_force(option, value):
    before = getattr(jax.config, option)
    jax.config.update(option, value)
    try:
        assert numeric_settings()[option.upper()] == value
    finally:
        jax.config.update(option, before)


@pytest.mark.parametrize(("value", "recorded"), [("1", "1"), ("0", ""), ("", "")])
def test_plain_operations_are_recorded(monkeypatch, value, recorded):
    monkeypatch.setenv("JAXCNN_PLAIN_OPS", value)
    assert numeric_settings()["JAXCNN_PLAIN_OPS"] == recorded


def test_a_record_without_plain_operations_means_that_they_were_unset(monkeypatch, tmp_path):
    monkeypatch.delenv("JAXCNN_PLAIN_OPS", raising=False)
    older = {name: value for name, value in numeric_settings().items() if "PLAIN" not in name}
    refuse_other_settings(older, numeric_settings(), tmp_path)
    monkeypatch.setenv("JAXCNN_PLAIN_OPS", "1")
    with pytest.raises(UserError, match="JAXCNN_PLAIN_OPS='', now it is 1"):
        refuse_other_settings(older, numeric_settings(), tmp_path)
    refuse_other_settings(None, numeric_settings(), tmp_path)  # of a new run


def test_flags_of_xla_count_where_they_change_numbers(monkeypatch):
    def flags(text):
        monkeypatch.setenv("XLA_FLAGS", text)
        return numeric_settings()["XLA_FLAGS"]

    assert flags("--xla_force_host_platform_device_count=2 --xla_dump_to=/tmp/x") == ""
    fast, slow = "--xla_cpu_enable_fast_math=true", "--xla_allow_excess_precision=false"
    assert flags(f"{fast} {slow}") == flags(f"{slow} {fast}") == f"{slow} {fast}"
    assert flags("--xla_a=1 --xla_a=2") == "--xla_a=2"


def test_another_process_can_take_the_options_of_jax():
    before = jax_options()
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        options, settings = pickle.loads(pickle.dumps(jax_options())), numeric_settings()
    assert numeric_settings() != settings
    try:
        set_jax_options(options)
        assert numeric_settings() == settings
    finally:
        set_jax_options(before)

"""`--profile`: the trace and its report are there, and the training is the same."""

import itertools
import json

import pytest
from runs import assert_same_bits, last_state

from jaxcnn.models import model_config
from jaxcnn.training.timing import RunTime
from jaxcnn.training.trace_costs import _own_times, _part


def test_it_profiles_and_trains_the_same(config, train, dataset, tmp_path):
    train(config, tmp_path / "plain")
    _, printed = train(config, tmp_path / "profiled", profile_steps=3)
    states = [last_state(config, dataset, tmp_path / name) for name in ("plain", "profiled")]
    assert_same_bits(*states)
    assert not (tmp_path / "plain" / "profile").exists()

    folder = tmp_path / "profiled" / "profile"
    report = json.loads((folder / "profile.json").read_text())
    trace = folder / report["trace"]
    assert {"".join(path.suffixes[-2:]) for path in trace.iterdir()} == {".xplane.pb", ".json.gz"}
    assert (trace / "perfetto_trace.json.gz").exists()
    assert (report["first_step"], report["last_step"]) == (6, 8)  # the second epoch's first
    shares = [operation["share"] for operation in report["operations"]]
    assert len(shares) == 5 and shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1
    assert any(operation["name"].startswith("conv") for operation in report["operations"])
    assert report["peak_memory"] > 2**26 and report["peak_memory_of"] == "the process"
    assert "profile of steps 6 to 8" in printed and str(trace) in printed
    assert max(map(len, printed[printed.index("profile of") :].splitlines()[:8])) <= 80


def test_a_run_that_ends_before_is_told(config, train, tmp_path):
    config.model = model_config("mlp", hidden=(16,))
    config.num_epochs, config.steps_per_epoch = 1, 2
    _, printed = train(config, tmp_path, profile_steps=3)
    assert "--profile: the run ended before a step could be traced" in printed
    _, printed = train(config, tmp_path, profile_steps=3)
    assert "--profile: the run ended before a step could be traced" in printed


@pytest.mark.slow
def test_the_steps_of_a_later_phase(config, train, dataset, tmp_path):
    """They compile at the start of the phase, and are warm three steps later."""
    config.model = model_config("mlp", hidden=(16,))
    config.steps_per_epoch, config.num_epochs = 4, 3
    config.phases = ("1", "2 fresh optimizer.learning_rate=0.001")
    train(config, tmp_path / "plain")
    _, printed = train(config, tmp_path / "profiled", profile_steps=2)
    assert "profile of steps 9 to 10" in printed
    states = [last_state(config, dataset, tmp_path / name) for name in ("plain", "profiled")]
    assert_same_bits(*states)


def test_the_last_epoch_may_be_that_of_num_steps(config, train, tmp_path):
    config.model = model_config("mlp", hidden=(16,))
    config.num_steps = 5  # of 10
    _, printed = train(config, tmp_path, profile_steps=5)
    assert "profile of steps 5 to 5" in printed


def test_a_run_that_ends_within_the_trace_is_told(config, train, tmp_path, monkeypatch):
    """The trace begins with the fifth step, of nine."""
    asked = itertools.count()

    def exceeds(_, minutes, since=0.0):
        return minutes == 1.0 and next(asked) > 6

    monkeypatch.setattr(RunTime, "exceeds", exceeds)
    config.model = model_config("mlp", hidden=(16,))
    config.global_batch_size, config.num_epochs, config.max_minutes = 32, 1, 1.0
    result, printed = train(config, tmp_path, profile_steps=9)
    assert result["ended"] == "max_minutes" and 5 < result["steps"] < 9
    assert (tmp_path / "profile" / "plugins").exists()
    assert "--profile: the run ended before a step could be traced" in printed


def test_a_loop_s_time_excludes_its_body_s():
    events = [
        (0, 100, "while"),
        (10, 40, "dot"),
        (50, 90, "call"),
        (60, 70, "add"),
        (100, 120, "dot"),
    ]
    times = dict.fromkeys(("while", "dot", "call", "add"), 0)
    for name, time in _own_times(events):
        times[name] += time
    assert times == {"while": 30, "dot": 50, "call": 30, "add": 10}


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("jit(_fun)/jvp(block1)/main/conv1/dot_general", "block1/main/conv1, forward"),
        ("jit(_fun)/transpose(jvp(block1))/main/conv1/add_any", "block1/main/conv1, backward"),
        ("jit(_fun)/shard_map/jvp(block1)/add", "block1, forward"),
        ("jit(_fun)/shard_map/optimizer/mul", "optimizer"),
        ("jit(_fun)/shard_map/jvp()/log", "log"),
        ("", "copy"),
    ],
)
def test_operations_are_named_by_layers(source, part):
    assert _part("copy.12", source, ["block1", "block1/main/conv1", "conv1"]) == part

"""A population: each member ends where its config ends alone, whatever the others do."""

import os
import signal

import jax
import pytest
from populations import (
    assert_as_alone,
    configs_of,
    rows_of,
    train_alone,
    train_together,
)
from runs import assert_same_bits, last_state

from jaxcnn import models
from jaxcnn.errors import Stopped, UserError
from jaxcnn.models import model_config
from jaxcnn.training.member import Member, make_member_runs
from jaxcnn.training.member_programs import Form, choose_form
from jaxcnn.training.variation import check_population

BATCHED, ON_DEVICES, ONE = Form(1, 3), Form(2, 1), Form(1, 1)
FORMS = [BATCHED, pytest.param(ON_DEVICES, marks=pytest.mark.slow)]


@pytest.fixture
def config(config):
    config.model = model_config("mlp", hidden=(16,))
    config.num_devices, config.test_with = 1, "last"
    config.optimizer.update(name="momentum", learning_rate=0.01)  # adam makes signs of rounding
    return config


@pytest.fixture
def demanding(config, tiny):
    """BatchNorm and dropout, augmentations that draw and mix, a moving average, a schedule."""
    config.model = tiny
    config.optimizer.ema_decay, config.optimizer.gradient_clip = 0.9, 1.0
    config.schedule.update(name="cosine", warmup_epochs=0.5)
    config.augment.update(crop=2, flip="alternating", mixup=0.2)
    return config


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_demanding_population_ends_as_alone(form, demanding, dataset, tmp_path):
    """In float64: in float32 one ReLU that flips by rounding is soon everywhere."""
    demanding.precision = "float64"
    sweep = "optimizer.learning_rate=.005,.01; seed=3,7"
    with jax.enable_x64(True):
        assert_as_alone(configs_of(demanding, sweep), dataset, tmp_path, form)


@pytest.mark.parametrize(
    "sweep",
    [
        "optimizer.momentum=.5,.9; optimizer.weight_decay=0,.01",
        pytest.param("loss.label_smoothing=0,.1; loss.l2=0,.01", marks=pytest.mark.slow),
        pytest.param(
            "schedule.final_fraction=0,.5; schedule.warmup_epochs=0,1", marks=pytest.mark.slow
        ),
    ],
)
def test_every_field_ends_as_alone(sweep, config, dataset, tmp_path):
    config.precision, config.schedule.name = "float64", "cosine"
    with jax.enable_x64(True):
        assert_as_alone(configs_of(config, sweep), dataset, tmp_path, BATCHED)


@pytest.mark.slow
def test_weights_sampling_and_fine_tuning_end_as_alone(demanding, dataset, tmp_path):
    demanding.precision, demanding.dataset.sampling = "float64", "balanced"
    demanding.loss.update(class_weighting="given", class_weights=(1, 2, 1, 0.5), name="focal")
    demanding.optimizer.update(freeze="conv1,batch_norm1", freeze_epochs=1, weight_decay=0.1)
    demanding.optimizer.update(rate_factors="dense1=0.5", weight_decay_factors="logits=0")
    with jax.enable_x64(True):
        configs = configs_of(demanding, "optimizer.learning_rate=.005,.01")
        assert_as_alone(configs, dataset, tmp_path, BATCHED)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("lenet", marks=pytest.mark.slow),
        pytest.param("mnist_bn_dropout", marks=pytest.mark.long),
        pytest.param("mnist_small_bn", marks=pytest.mark.long),
    ],
)
def test_networks_end_as_alone(name, demanding, dataset28, tmp_path):
    demanding.model, demanding.precision = model_config(name), "float64"
    sweep = "optimizer.learning_rate=.005,.01; seed=3,7"
    with jax.enable_x64(True):
        configs = configs_of(demanding, sweep)[::3]  # another rate and another seed
        assert_as_alone(configs, dataset28, tmp_path, BATCHED)


@pytest.mark.slow
def test_the_same_program_gives_the_same_bits(demanding, dataset, tmp_path):
    demanding.optimizer.name, demanding.augment.flip = "adam", "random"
    configs = configs_of(demanding, "optimizer.learning_rate=.005,.01; seed=3,7")[:3]
    members = train_together(configs, dataset, tmp_path / "all", ONE)
    for index in (0, 2):
        alone = tmp_path / f"alone{index}"
        loop = train_alone(configs[index], dataset, alone)
        assert_same_bits(members[index].state, loop.state)
        assert rows_of(tmp_path / "all" / str(index)) == rows_of(alone)


def test_the_rounded_schedule_follows_the_rate(config, dataset, tmp_path):
    """Its table holds the rate, which differs."""
    config.schedule.name = "inverse_time_rounded"
    configs = configs_of(config, "optimizer.learning_rate=.003,.01")
    train_together(configs, dataset, tmp_path / "all", ONE)
    train_alone(configs[1], dataset, tmp_path / "alone")
    assert rows_of(tmp_path / "all" / "1") == rows_of(tmp_path / "alone")


def test_a_member_that_stopped_changes_no_more(config, dataset, tmp_path):
    config.num_epochs = 5
    configs = configs_of(config, "optimizer.learning_rate=0,.01; early_stopping.patience=1,0")
    ends = {}

    def remember(members):
        for index, member in enumerate(members):
            if member.ended and index not in ends:
                ends[index] = jax.device_get(member.state)

    members = train_together(configs, dataset, tmp_path / "all", BATCHED, remember)
    assert members[0].ended == "early_stopping" and members[0].position.epoch == 2
    assert members[1].position.epoch == 5
    assert_same_bits(ends[0], members[0].state)
    assert [row["epoch"] for row in rows_of(tmp_path / "all" / "0")] == [1, 1, 2, 2]


@pytest.mark.parametrize("skips", [False, True])
def test_a_divergence_touches_no_other(skips, config, dataset, tmp_path):
    config.optimizer.skip_bad_steps = skips
    states = {}
    for name, rate in (("good", ".02"), ("bad", "1e38")):
        configs = configs_of(config, f"optimizer.learning_rate=.01,{rate},.005")
        states[name] = train_together(configs, dataset, tmp_path / name, BATCHED)
    bad = states["bad"][1]
    assert "not finite" in bad.failure or int(bad.state.sums["bad_steps"])
    for index in (0, 2):
        assert not states["bad"][index].failure
        assert_same_bits(states["good"][index].state, states["bad"][index].state)


class Killed(BaseException):
    """The end of a process, whatever it does."""


def interrupted(how, num_calls, monkeypatch):
    """Kill the process while it saves a member, or send it a signal within an epoch."""
    calls = iter(range(1, 1000))
    if how == "killed":
        finish = Member.finish_epoch

        def finish_epoch(self, row):
            if next(calls) == num_calls:
                raise Killed
            finish(self, row)

        monkeypatch.setattr(Member, "finish_epoch", finish_epoch)
    else:
        is_save_due = Member.is_save_due

        def is_due(self, step):
            if next(calls) == num_calls:
                os.kill(os.getpid(), signal.SIGTERM)
            return is_save_due(self, step)

        monkeypatch.setattr(Member, "is_save_due", is_due)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("how", "num_calls"), [("killed", 5), pytest.param("stopped", 20, marks=pytest.mark.slow)]
)
def test_it_resumes_to_the_last_bit(how, num_calls, form, config, dataset, tmp_path, monkeypatch):
    """After a kill, one member has finished an epoch that the others have not."""
    config.optimizer.ema_decay = 0.9
    config.augment.update(crop=2, flip="alternating", mixup=0.2)
    configs = configs_of(config, "seed=3..5")
    train_together(configs, dataset, tmp_path / "whole", form)
    with monkeypatch.context() as patches:
        interrupted(how, num_calls, patches)
        with pytest.raises((Killed, Stopped)):
            train_together(configs, dataset, tmp_path / "parts", form)
    train_together(configs, dataset, tmp_path / "parts", form)
    for index, config in enumerate(configs):
        whole, parts = tmp_path / "whole" / str(index), tmp_path / "parts" / str(index)
        assert rows_of(whole) == rows_of(parts)
        states = (last_state(config, dataset, folder) for folder in (whole, parts))
        assert_same_bits(*states)


def test_steps_between_checkpoints_and_a_part_of_an_epoch(config, dataset, tmp_path):
    config.checkpoint.every_steps, config.num_steps = 3, 7
    configs = configs_of(config, "seed=0..1")
    members = train_together(configs, dataset, tmp_path, BATCHED)
    assert [member.ended for member in members] == ["steps", "steps"]
    assert (tmp_path / "0" / "checkpoints" / "7").exists()
    assert [row["step"] for row in rows_of(tmp_path / "0")] == [5, 5, 7, 7]


def test_the_form_on_a_cpu():
    """The products of a dense network use all cores; convolutions lie on devices of their own."""
    forms = {}
    for name in ("mlp", "lenet"):
        network = models.build(
            **model_config(name), num_classes=10, image_shape=(32, 32, 3), abstract=True
        )
        forms[name] = choose_form(models.summary(network), num_members=4, num_devices=2)
    assert forms == {"mlp": ONE, "lenet": ON_DEVICES}


def test_each_warm_up_fits_the_steps(config, dataset):
    config.num_steps = 3
    with pytest.raises(UserError, match="warmup_epochs = 1.0: takes 5 steps; must take fewer than"):
        make_member_runs(configs_of(config, "schedule.warmup_epochs=0,1"), dataset)


@pytest.mark.parametrize(
    ("fields", "sweep", "message"),
    [
        ({}, "global_batch_size=32,64", "global_batch_size: cannot differ .*; these can: seed, "),
        ({"optimizer.name": "airbench"}, "optimizer.momentum=.5,.9", "with optimizer.name = airb"),
        ({"dataset.streaming": True}, "seed=0..1", "dataset.streaming = True: a population"),
        ({"best_metric": "auroc"}, "seed=0..1", "supports 'accuracy' and 'loss' alone"),
        ({"phases": (1, 1)}, "seed=0..1", r"config.phases = \(1, 1\): a population supports \(\)"),
        ({"max_minutes": 1.0}, "seed=0..1", "config.max_minutes = 1.0: a population supports 0.0"),
    ],
)
def test_refusals(fields, sweep, message, config):
    config.update_from_flattened_dict(fields)
    with pytest.raises(UserError, match=message):
        check_population(configs_of(config, sweep))

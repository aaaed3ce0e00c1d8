"""Training the members of a population together, and alone."""

import contextlib
import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
from runs import without_times

from jaxcnn.api.population_programs import Trainer
from jaxcnn.config.sweep import assignments, parse_sweep, with_values
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.loop import Loop
from jaxcnn.training.member import Member, make_member_runs
from jaxcnn.training.run import make_run
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.metrics_log import read_metrics


def configs_of(config, sweep):
    return [with_values(config, values) for values in assignments(parse_sweep(sweep, config))]


def widened(run):
    """The run, in float64 where its precision says so."""
    if run.plan.config.precision != "float64":
        return run
    wide = {jnp.dtype("float32"): jnp.float64}
    state = jax.tree.map(lambda x: x.astype(wide.get(x.dtype, x.dtype)), run.state)
    return dataclasses.replace(run, state=state)


def train_together(configs, dataset, folder, form, on_epoch=lambda members: None):
    """The members of a population after their ends, or where the population stopped."""
    runs = make_member_runs(configs, dataset)
    with contextlib.ExitStack() as stack:
        members = []
        for index, member_run in enumerate(runs):
            workdir = folder / str(index)
            stack.enter_context(open_workdir(workdir, configs[index]))
            run = widened(member_run.run)
            members.append(Member.open(run, workdir, Console(io.StringIO())))
            members[-1].template, members[-1].values = member_run.template, member_run.values
            stack.enter_context(contextlib.closing(members[-1].saving.checkpoints))
            stack.enter_context(contextlib.closing(members[-1].metrics))
        trainer = stack.enter_context(contextlib.closing(Trainer()))
        trainer.population(members, form).train(lambda: on_epoch(members))
        for member in members:
            member.saving.checkpoints.wait()
    return members


def train_alone(config, dataset, folder):
    with open_workdir(folder, config):
        loop = Loop.open(widened(make_run(config, dataset)), folder, Console(io.StringIO()))
        loop.train()
    return loop


def largest_difference(a, b):
    differences = jax.tree.map(lambda x, y: np.abs(np.asarray(x) - np.asarray(y)).max(), a, b)
    return max(jax.tree.leaves(differences))


def rows_of(folder):
    return [row for row in without_times(read_metrics(folder)) if row["split"] != "test"]


def assert_as_alone(configs, dataset, tmp_path, form):
    members = train_together(configs, dataset, tmp_path / "all", form)
    for index, member in enumerate(members):
        loop = train_alone(configs[index], dataset, tmp_path / f"alone{index}")
        assert member.position == loop.position
        for name in ("params", "batch_stats", "opt_state", "ema"):
            one, other = getattr(member.state, name), getattr(loop.state, name)
            assert not jax.tree.leaves(one) or largest_difference(one, other) < 1e-9, name
    assert largest_difference(members[0].state.params, members[1].state.params) > 1e-5

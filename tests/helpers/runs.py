"""What the tests of runs share: reading back what a run left."""

import dataclasses
import io
import os
import signal

import jax
import numpy as np
import pytest

from jaxcnn.errors import Stopped
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.loop import Loop
from jaxcnn.training.run import make_run
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.folder import open_workdir

TIMES = ("seconds", "images_per_second")


def without_times(rows):
    return [{name: row[name] for name in row if name not in TIMES} for row in rows]


def last_state(config, dataset, workdir):
    """The arrays of the newest checkpoint."""
    checkpoints = Checkpoints(workdir)
    state, _ = checkpoints.restore_latest(make_run(config, dataset).state, pytest.fail)
    checkpoints.close()
    return jax.tree.map(np.asarray, state)


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def stopping_after(run, num_steps, number=signal.SIGTERM):
    """The run, with a signal to this process after some steps."""
    steps = iter(range(1, 1000))

    def train_step(*args):
        result = run.train_step(*args)
        if next(steps) == num_steps:
            os.kill(os.getpid(), number)
        return result

    return dataclasses.replace(run, train_step=train_step)


def stop_after(config, dataset, workdir, num_steps):
    """Trains in a folder until a signal after some steps."""
    run = stopping_after(make_run(config, dataset), num_steps)
    with open_workdir(workdir, config), pytest.raises(Stopped):
        Loop.open(run, workdir, Console(io.StringIO())).train()

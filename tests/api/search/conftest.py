"""Searches with a small network on generated data, without pictures."""

import contextlib
import io

import pytest

from jaxcnn.api import arguments, run
from jaxcnn.api.search.plan import make_search
from jaxcnn.api.search.run import run_search
from jaxcnn.models import model_config
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.member import Member


@pytest.fixture
def config(config):
    config.model = model_config("mlp", hidden=(16,))
    config.num_devices = 1
    config.optimizer.name = "momentum"
    return config


@pytest.fixture
def searched(monkeypatch, dataset, undrawn):
    """Searches on `dataset`, without pictures; gives the result and the output."""
    monkeypatch.setattr(arguments, "load_run_data", lambda *_: dataset)
    monkeypatch.setattr(run, "plot_curves", lambda _: [])
    monkeypatch.setattr(run, "evaluate_run", lambda *_, **__: None)

    def searched(config, search, workdir, **options):
        printed = io.StringIO()
        planned = make_search(
            config, search, workdir, **{"num_trials": 4, "population": 2} | options
        )
        return run_search(planned, console=Console(printed)), printed.getvalue()

    return searched


class Killed(BaseException):
    """The end of a process, whatever it does."""


@pytest.fixture
def killed_after(monkeypatch):
    """A context whose process ends when some epochs of members are saved, and the next is not."""

    @contextlib.contextmanager
    def killed_after(num_epochs):
        finish, calls = Member.finish_epoch, iter(range(1000))

        def finish_epoch(self, row):
            if next(calls) == num_epochs:
                raise Killed
            finish(self, row)

        with monkeypatch.context() as patches, pytest.raises(Killed):
            patches.setattr(Member, "finish_epoch", finish_epoch)
            yield

    return killed_after

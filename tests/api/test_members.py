"""The processes that train members are shared by the populations of a search."""

import contextlib

import pytest

from jaxcnn.api import members
from jaxcnn.training.member_programs import Form


class NoProcesses:
    def __init__(self, mold, num_processes):
        self.connections, self.is_closed = [None] * num_processes, False
        mold.append(self)

    def close(self):
        self.is_closed = True


@pytest.fixture
def started(monkeypatch):
    monkeypatch.setattr(members, "Workers", NoProcesses)
    return []


def test_a_smaller_population_uses_the_processes_of_a_larger_one(started):
    with contextlib.closing(members.Trainer(started)) as trainer:
        for num_processes in (8, 3, 8):
            trainer.population([], Form(1, 1, num_processes))
        assert [len(each.connections) for each in started] == [8]
        assert not started[0].is_closed
    assert started[0].is_closed


def test_a_larger_population_has_new_processes(started):
    with contextlib.closing(members.Trainer(started)) as trainer:
        trainer.population([], Form(1, 1, 2))
        trainer.population([], Form(1, 1, 4))
        assert [each.is_closed for each in started] == [True, False]
    assert all(each.is_closed for each in started)

"""The processes that train members are shared by the populations of a search."""

import contextlib

import pytest

from jaxcnn.api import population_programs
from jaxcnn.training.member_programs import Form


class NoProcesses:
    started = []

    def __init__(self, num_processes):
        self.connections, self.templates, self.is_closed = [None] * num_processes, [], False
        self.started.append(self)

    def program_of(self, template):
        if template not in self.templates:
            self.templates.append(template)

    def close(self):
        self.is_closed = True


@pytest.fixture
def started(monkeypatch):
    monkeypatch.setattr(population_programs, "Workers", NoProcesses)
    monkeypatch.setattr(NoProcesses, "started", [])
    return NoProcesses.started


class OnlyTemplate:
    """A member, of which only the template is read."""

    def __init__(self, template):
        self.template = template


def test_a_smaller_population_uses_the_processes_of_a_larger_one(started):
    with contextlib.closing(population_programs.Trainer()) as trainer:
        for num_processes in (8, 3, 8):
            trainer.population([], Form(1, 1, num_processes))
        assert [len(each.connections) for each in started] == [8]
        assert not started[0].is_closed
    assert started[0].is_closed


def test_a_larger_population_has_new_processes(started):
    with contextlib.closing(population_programs.Trainer()) as trainer:
        trainer.population([], Form(1, 1, 2))
        trainer.population([], Form(1, 1, 4))
        assert [each.is_closed for each in started] == [True, False]
    assert all(each.is_closed for each in started)


def test_processes_that_know_many_programs_are_replaced(started):
    form, num_templates = Form(1, 1, 2), population_programs.MOST_PROGRAMS + 1
    with contextlib.closing(population_programs.Trainer()) as trainer:
        for template in (*range(num_templates), num_templates - 1):
            trainer.population([OnlyTemplate(template)], form)
        assert [len(each.templates) for each in started] == [population_programs.MOST_PROGRAMS, 1]
        assert [each.is_closed for each in started] == [True, False]

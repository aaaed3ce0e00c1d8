"""The report of a search: its pictures keep the usual accuracies readable."""

import pytest

from jaxcnn.config.sweep import Range
from jaxcnn.reporting import search_report
from jaxcnn.reporting.figures import search
from jaxcnn.reporting.search_report import best_table, write_search_report

FIELDS = {"optimizer.learning_rate": Range(1e-4, 0.1, "log"), "loss.label_smoothing": [0.0, 0.1]}


def row(number, accuracy, state="finished", **more):
    return {
        "trial": number, "state": state, "optimizer.learning_rate": 10.0**-(1 + number % 3),
        "loss.label_smoothing": 0.1 * (number % 2), "validation_accuracy": accuracy,
        "validation_loss": None if accuracy is None else 1 - accuracy, "epochs": 3, **more,
    }  # fmt: skip


ROWS = [
    row(3, 0.99), row(0, 0.98), row(1, 0.98), row(2, 0.97, "dropped"), row(5, 0.96), row(4, 0.1),
    row(6, 0.0, "diverged"), row(7, None, "running"),
    {name: value for name, value in row(8, None, "running").items() if name not in FIELDS}
    | {"optimizer.learning_rate": 0.02},  # another worker asks for it
]  # fmt: skip


@pytest.mark.parametrize(
    ("accuracies", "cut"),
    [([0.99, 0.98, 0.97, 0.96, 0.1], True), ([0.9, 0.7, 0.5], False), ([1.0, 1.0, 1.0, 0.1], True)],
)
def test_a_collapsed_trial_leaves_the_others_readable(accuracies, cut, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(search, "save", lambda figure, stem: figures.append(figure) or stem)
    rows = [row(number, accuracy) for number, accuracy in enumerate(accuracies)]
    search.plot_history(rows, 0, tmp_path / "history")
    (axes,) = figures[0].axes
    low, high = axes.get_ylim()
    assert (low > 100 * min(accuracies)) == cut and low < 100 * max(accuracies) < high
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert ("cut off, down to 10.0 %" in labels) == cut


@pytest.mark.usefixtures("undrawn")
def test_the_report(tmp_path, monkeypatch):
    write_search_report(tmp_path, FIELDS, ROWS, ["Best: trial 3, of $mine."])
    text = (tmp_path / "report.md").read_text()
    assert "Best: trial 3" in text and "plots/loss.label_smoothing.png" in text
    assert "| 7 | 0.01 | 0.1 | - | - | 3 | running |" in text
    assert "| 8 | 0.02 | - | - | - | 3 | running |" in text
    assert [cells[0] for cells in best_table(FIELDS, ROWS).rows] == ["3", "0", "1", "5", "4"]
    born = [row(1, 0.9, lineage=[0, 1]), row(0, 0.8, "replaced", lineage=[0])]
    assert best_table(FIELDS, born).rows[0][-1] == "0 → 1"


@pytest.mark.usefixtures("undrawn")
def test_a_dropped_trial_is_not_marked_as_the_best(tmp_path, monkeypatch):
    marked, plot = [], search_report.plot_history

    def plot_history(rows, best, stem):
        marked.append(best)
        return plot(rows, best, stem)

    monkeypatch.setattr(search_report, "plot_history", plot_history)
    rows = [row(0, 0.9, "dropped"), row(1, 0.8)]
    write_search_report(tmp_path, FIELDS, rows, ["Best: trial 1."])
    assert marked == [1]


FRONT = [row(number, 0.9 - 0.1 * number, seconds=0.5 / 4**number) for number in (2, 1, 0)]


def test_the_front_is_marked(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(search, "save", lambda figure, stem: figures.append(figure) or stem)
    search.plot_front([row(3, 0.6, seconds=0.1), *FRONT], FRONT, "seconds", tmp_path / "front")
    (axes,) = figures[0].axes
    assert axes.get_xscale() == "log" and "seconds" in axes.get_xlabel()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["trials", "front"]


@pytest.mark.usefixtures("undrawn")
def test_the_front_is_a_table(tmp_path):
    rows = [*reversed(FRONT), row(4, None, "running", seconds=None)]
    write_search_report(tmp_path, FIELDS, rows, [], "seconds", FRONT)
    text = (tmp_path / "report.md").read_text()
    assert "The front of accuracy and seconds." in text and "plots/front.png" in text
    assert "| 1 | 0.01 | 0.1 | 0.125 | 80.00% |" in text and "| 4 | 0.01 | 0 | - |" in text

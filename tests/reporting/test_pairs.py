"""Recipes that can be told apart, and recipes that cannot."""

import csv
import io

import pytest

from jaxcnn import compare_runs
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.groups import compare
from jaxcnn.reporting.comparison.page import write_comparison
from jaxcnn.reporting.comparison.pair_tables import pair_remarks, pair_table, pairs_of
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.comparison.tables import results_table


def section_of(folders):
    (section,) = compare(read_runs(folders)[0])[0]
    return section


def seeds_of(write_run, network, accuracies):
    return [
        write_run(f"{network}{seed}", network=network, seed=seed, accuracy=a, num_images=10_000)
        for seed, a in enumerate(accuracies)
    ]


def answers_of(num_right, num_wrong, start=0):
    right = [True] * num_right + [False] * num_wrong
    return [(start + index, is_right) for index, is_right in enumerate(right)]


def test_seeds_are_compared_by_welch_and_by_holm(write_run):
    folders = [
        *seeds_of(write_run, "lenet", (0.62, 0.61, 0.63)),
        *seeds_of(write_run, "alexnet", (0.62, 0.60, 0.61)),
        *seeds_of(write_run, "mlp", (0.50, 0.51, 0.49)),
    ]
    section = section_of(folders)
    first, second = pairs_of(section)
    assert (first.verdict, second.verdict) == ("cannot be told apart", "worse")
    assert first.difference.test == "Welch's t" and first.p == first.difference.p
    assert second.p == 2 * second.difference.p
    (table,) = pair_table([first, second])
    assert "minus that of lenet, the first" in table.caption
    assert "after Holm's correction for 2 comparisons" in table.caption
    assert table.rows[0][:3] == ["alexnet", "-1.00", "-3.27 to +1.27"]
    (text,) = (paragraph.text for paragraph in pair_remarks([first, second]))
    assert text.startswith(
        "The first, lenet, is better than mlp. It cannot be told apart from alexnet. Welch's t"
    )
    head, row = results_table(section).head, results_table(section).rows[0]
    assert row[head.index("95 % interval")] == "59.52% to 64.48%"


def test_one_run_against_several_takes_their_spread(write_run):
    folders = seeds_of(write_run, "lenet", (0.62, 0.61, 0.63))
    folders += seeds_of(write_run, "mlp", (0.59,)) + seeds_of(write_run, "alexnet", (0.5,))
    near, far = pairs_of(section_of(folders))
    assert near.difference.test == "Student's t, one run against several"
    assert (near.verdict, far.verdict) == ("cannot be told apart", "worse")


def test_single_runs_are_compared_by_their_answers(write_run):
    """8 of 100 images are told apart by 8 to 0, which the accuracies alone do not show."""
    best = write_run("a", accuracy=0.98, answers=answers_of(98, 2))
    worse = write_run("b", network="mlp", accuracy=0.90, answers=answers_of(90, 10))
    (pair,) = pairs_of(section_of([best, worse]))
    assert pair.verdict == "worse" and pair.difference.test == "McNemar's, exact (0 : 8 images)"
    assert pair.p == 2 / 2**8
    (worse / "evaluation" / "predictions.csv").unlink()
    for folder in (best, worse):
        write_json(folder / "dataset.json", {"num_examples": {"test": 100}})
    (pair,) = pairs_of(section_of([best, worse]))
    assert pair.difference.test == "z, images not paired"
    assert pair.note == f"{worse} keeps no evaluation/predictions.csv"


@pytest.mark.parametrize(
    ("answers", "text", "note"),
    [
        (answers_of(90, 10, start=1), None, "predict other images"),
        (answers_of(80, 20), None, "is of other weights than the result"),
        (None, "index,true,predicted\n0,cat,cat\n1,cat", "is damaged"),
        (None, "index,true\n", "is damaged"),
        (None, "index,true,predicted\nx,cat,cat\n", "is damaged"),
        (None, "", "is damaged"),
    ],
)
def test_answers_that_cannot_be_paired(write_run, answers, text, note):
    best = write_run("a", accuracy=0.98, answers=answers_of(98, 2), num_images=100)
    worse = write_run("b", network="mlp", accuracy=0.90, answers=answers or [], num_images=100)
    if text is not None:
        (worse / "evaluation" / "predictions.csv").write_text(text)
    (pair,) = pairs_of(section_of([best, worse]))
    assert note in pair.note
    assert pair.difference.test == "z, images not paired"


def test_without_a_number_of_images_single_runs_are_not_tested(write_run, tmp_path, undrawn):
    folders = [write_run("a", accuracy=0.7), write_run("b", network="mlp", accuracy=0.1)]
    (pair,) = pairs_of(section_of(folders))
    assert pair.verdict == "not tested" and not pair.is_worse
    write_comparison(folders, tmp_path / "out")
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "the difference is not tested" in text and "not worth its cost" not in text
    assert "The first, lenet, is not tested against mlp." in text


def test_the_tables_have_intervals_and_verdicts(write_run, tmp_path, undrawn):
    folders = seeds_of(write_run, "lenet", (0.62, 0.61)) + seeds_of(write_run, "mlp", (0.4,))
    write_comparison(folders, tmp_path / "out")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "differences.csv").read_text())))
    assert [(row["label"], row["reference"], row["n"]) for row in rows] == [("mlp", "lenet", "1")]
    assert float(rows[0]["difference"]) == pytest.approx(-0.215)
    assert float(rows[0]["difference_low"]) < -0.215 < float(rows[0]["difference_high"])
    networks = compare_runs(folders, "networks")
    assert networks[0]["test_accuracy_low"] < 0.615 < networks[0]["test_accuracy_high"]
    runs = compare_runs(folders)
    assert runs[0]["test_accuracy_low"] == pytest.approx(0.6104, abs=1e-4)  # Wilson's
    assert compare_runs(folders, "differences") == records.differences([section_of(folders)])
    with pytest.raises(UserError, match="table = 'goals': must be one of runs, networks"):
        compare_runs(folders, "goals")
    write_comparison(folders[:1], tmp_path / "out")
    assert not (tmp_path / "out" / "differences.csv").exists()


def test_a_run_whose_number_of_images_is_in_its_evaluation_alone(write_run):
    folder = write_run("a", accuracy=0.5, classes={"cat": 0.5})
    evaluation = read_json(folder / "evaluation" / "test.json")
    write_json(folder / "evaluation" / "test.json", evaluation | {"num_examples": 100})
    assert section_of([folder]).groups[0].interval() == pytest.approx((0.40383, 0.59617), abs=1e-5)

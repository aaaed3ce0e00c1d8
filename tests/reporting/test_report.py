"""Pictures and the report of a run, from its files alone."""

import json
import math
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.config.defaults import to_dict
from jaxcnn.errors import UserError
from jaxcnn.evaluation.evaluation_files import write_evaluation
from jaxcnn.evaluation.metrics import LabeledPredictions
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.figures.curves import plot_curves
from jaxcnn.reporting.report import missing_files, write_report
from jaxcnn.reporting.series import best_epoch
from jaxcnn.reporting.terminal.console import result_lines
from jaxcnn.workdir.metrics_log import MetricsWriter, read_metrics

CONFIGS = Path(__file__).parents[2] / "configs"
PICTURES = ["accuracy", "loss", "learning_rate", "difference_accuracy", "difference_loss"]


def write_run(workdir, num_epochs=12, broken=(), validation="holdout"):
    """The files of a run whose losses are NaN in the epochs `broken`; epoch 1 is the best."""
    writer = MetricsWriter(workdir, resume_step=None)
    for epoch in range(1, num_epochs + 1):
        common = {"step": 10 * epoch, "epoch": epoch}
        value = math.nan if epoch in broken else 1 / epoch
        train = {"loss": value, "accuracy": 0.5, "learning_rate": 0.1**epoch, "seconds": 1.25}
        writer.write(common | {"split": "train", "images_per_second": 100.0} | train)
        scores = {"loss": 2 * value, "accuracy": 0.5 / epoch}
        writer.write(common | {"split": "validation"} | scores)
    writer.close()
    config = {
        "seed": 0, "num_epochs": num_epochs, "validation": validation, "model": {"name": "lenet"},
        "dataset": {"name": "cifar10", "label_set": ""}, "optimizer": {"learning_rate": 0.001},
    }  # fmt: skip
    write_json(workdir / "config.json", config)
    environment = {
        "python": "3.11.2", "versions": {"jax": "0.10.2"}, "machine": "Linux",
        "devices": ["cpu cpu", "cpu cpu"],
        "command": ["/some/jaxcnn/jaxcnn/main.py", "--config=configs/le net.py"],
    }  # fmt: skip
    write_json(workdir / "environment.json", environment)
    result = {
        "test_accuracy": 0.5974, "test_loss": 1.25, "tested_with": "last", "best_epoch": 1,
        "num_epochs": num_epochs, "seconds": 61.0, "images_per_second": 100.0,
        "parameters": 61706, "seed": 0,
    }  # fmt: skip
    write_json(workdir / "result.json", result)


def colors_in(path):
    """How many pixels have a colour: neither white nor a shade of grey."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((np.ptp(pixels, axis=-1) > 60).sum())


def test_a_run_from_python_names_its_call(tmp_path):
    write_run(tmp_path)
    environment = json.loads((tmp_path / "environment.json").read_text())
    write_json(tmp_path / "environment.json", environment | {"command": ["-c"]})
    call = 'jaxcnn.train("RUN/config.json", "RUN"'
    assert (
        f"## Call\n\n```\n{call})  # RUN is this folder\n```" in write_report(tmp_path).read_text()
    )
    write_json(tmp_path / "dataset.json", {"from_python": True})
    assert f"{call}, dataset=dataset)" in write_report(tmp_path).read_text()


@pytest.mark.parametrize(
    ("num_epochs", "broken"), [(12, ()), (1, ()), (4, (2, 3))], ids=["twelve", "one", "nan"]
)
def test_every_picture_is_drawn_and_not_blank(tmp_path, num_epochs, broken):
    write_run(tmp_path, num_epochs, broken)
    paths = plot_curves(tmp_path)
    assert [path.stem for path in paths] == PICTURES
    for path in paths:
        assert colors_in(path) > 30
        assert ET.parse(path.with_suffix(".svg")).getroot().tag.endswith("svg")


def test_a_curve_without_values_is_left_out(tmp_path):
    write_run(tmp_path, 2, broken=(1, 2))
    names = [path.stem for path in plot_curves(tmp_path)]
    assert names == ["accuracy", "learning_rate", "difference_accuracy"]
    write_report(tmp_path)
    assert "plots/loss.png" not in (tmp_path / "report.md").read_text()


def test_a_run_that_has_no_rows_yet_has_no_pictures(tmp_path):
    MetricsWriter(tmp_path, resume_step=None).close()
    assert plot_curves(tmp_path) == []


def test_the_same_run_gives_the_same_pictures(tmp_path):
    write_run(tmp_path, 3)
    texts = [
        [p.with_suffix(e).read_bytes() for p in plot_curves(tmp_path) for e in (".png", ".svg")]
        for _ in range(2)
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("schedule", "is_log"), [("cosine", False), ("linear", False), ("step", True), ("", False)]
)
def test_a_rate_that_falls_to_0_is_on_a_linear_axis(tmp_path, schedule, is_log):
    write_run(tmp_path, 4)
    config = read_json(tmp_path / "config.json") | {"schedule": {"name": schedule}}
    write_json(tmp_path / "config.json", config)
    plot_curves(tmp_path)
    svg = (tmp_path / "plots" / "learning_rate.svg").read_text()
    assert ("mathdefault{10^{-" in svg) == is_log  # the ticks of a logarithmic axis


def test_an_exploded_loss_is_cut_off_and_said(tmp_path):
    write_run(tmp_path, 6)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    rows[-1]["loss"] = 1e9
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plot_curves(tmp_path)
    for name in ("loss", "difference_loss"):
        assert "cut off, up to" in (tmp_path / "plots" / f"{name}.svg").read_text()
    assert "cut off" not in (tmp_path / "plots" / "accuracy.svg").read_text()


def test_among_equal_accuracies_the_lower_loss_is_best():
    rows = [
        {"epoch": epoch, "split": "validation", "loss": loss, "accuracy": accuracy}
        for epoch, loss, accuracy in [(1, 0.5, 0.9), (2, 0.4, 0.9), (3, 0.1, 0.8), (4, None, None)]
    ]
    assert best_epoch(rows) == 2
    assert best_epoch([]) is None
    ended_in_epoch_2 = {"epoch": 1, "split": "test", "loss": 0.5, "accuracy": 0.9}
    assert best_epoch([*rows, ended_in_epoch_2]) == 1


def test_the_report_tells_the_run(tmp_path):
    write_run(tmp_path)
    plot_curves(tmp_path)
    text = write_report(tmp_path).read_text()
    assert text.startswith("# lenet on cifar10\n")
    assert "| test accuracy, weights of the last epoch | 59.74% |" in text
    assert "| parameters | 61,706 |" in text and "| time | 1:01 |" in text
    assert all(f"](plots/{name}.png)" in text for name in PICTURES)
    assert "| **1** (best) | 1.0000 | 50.00% | 2.0000 | 50.00% | 0.1 | 1.2 |" in text
    assert "\n| 2 | " not in text and "\n| 3 | " in text  # the last ten
    assert "python -m jaxcnn.main '--config=configs/le net.py'" in text
    assert "| jax | 0.10.2 |" in text and "| devices | 2 × cpu cpu |" in text
    assert "| `optimizer.learning_rate` | `0.001` |" in text


def test_the_report_says_what_was_changed_on_the_way(tmp_path):
    write_run(tmp_path)
    assert "reproduces the run from the beginning." in write_report(tmp_path).read_text()
    environment = read_json(tmp_path / "environment.json")
    changes = [{"step": 63, "fields": ["num_epochs: 3 before, now 5", "x: 1 before, now 2"]}]
    write_json(tmp_path / "environment.json", environment | {"changes": changes})
    text = write_report(tmp_path).read_text()
    assert "reproduces" not in text
    assert "- after step 63: num_epochs: 3 before, now 5; x: 1 before, now 2" in text


@pytest.mark.parametrize(
    ("command", "line", "folder"),
    [
        (["/x/jaxcnn/reproduce.py", "lenet"], "python -m jaxcnn.reproduce lenet", "`--out`"),
        (["/x/jaxcnn/main.py", "--x=1"], "python -m jaxcnn.main --x=1", "`--workdir`"),
        (["/home/me/jaxcnn/mine.py"], "jaxcnn.train(", "second argument"),
    ],
)
def test_the_report_names_the_command(tmp_path, command, line, folder):
    write_run(tmp_path)
    environment = read_json(tmp_path / "environment.json")
    write_json(tmp_path / "environment.json", environment | {"command": command})
    text = write_report(tmp_path).read_text()
    assert line in text and f"With another {folder} it" in text


def test_no_speed_is_shown_where_every_call_compiled(tmp_path):
    write_run(tmp_path)
    result = read_json(tmp_path / "result.json")
    write_json(tmp_path / "result.json", result | {"images_per_second": None})
    assert "training speed" not in write_report(tmp_path).read_text()
    lines = dict(result_lines(result | {"images_per_second": None}, {}))
    assert lines["time"] == "1:01"


def test_the_report_says_which_data_chose(tmp_path):
    said = {}
    for validation in ("holdout", "validation", "test"):
        write_run(tmp_path, 1, validation=validation)
        text = write_report(tmp_path).read_text()
        said[validation] = "**test set served as validation**:" in text
        assert ("was tested once" in text) != said[validation]
    assert said == {"holdout": False, "validation": False, "test": True}


def test_the_report_of_a_publication_s_recipe_is_true_of_any_run(tmp_path):
    write_run(tmp_path, 1)
    config = runpy.run_path(str(CONFIGS / "lenet.py"))["get_config"]("cifar10")
    write_json(tmp_path / "config.json", to_dict(config))
    text = write_report(tmp_path).read_text()
    assert "**test set served as validation**: the test" in text and "publication" not in text


def test_the_report_says_that_test_accuracies_chose_the_recipe(tmp_path):
    write_run(tmp_path, 1)
    said = "**The recipe was chosen by its test accuracy"
    assert said not in write_report(tmp_path).read_text()
    config = read_json(tmp_path / "config.json")
    for dataset, is_own in (("cifar10", True), ("digits", False)):
        write_json(tmp_path / "config.json", config | {"tuned_on_test_of": dataset})
        assert (said in write_report(tmp_path).read_text()) == is_own


def test_the_report_names_the_classes_that_accuracy_hides(tmp_path):
    write_run(tmp_path, 2)
    labels, predicted = np.repeat([0, 1, 2], [90, 6, 4]), np.repeat([0, 1, 0], [90, 6, 4])
    logits = np.eye(4)[predicted] * 5
    found = LabeledPredictions.from_logits(labels, logits, ["cat", "dog", "rat", "none"])
    about = {"split": "test", "checkpoint": "latest", "epoch": 2, "validation": "holdout"}
    about["dataset"] = "cifar10"
    scores = write_evaluation(tmp_path, "test", found, about)
    assert scores["accuracy"] == pytest.approx(0.96)
    assert scores["balanced_accuracy"] == pytest.approx(2 / 3)
    text = write_report(tmp_path).read_text()
    assert "| balanced test accuracy (mean recall of the classes) | 66.67% |" in text
    assert text.count("The network recognizes no image of 1 of the 4 classes: rat.") == 2
    write_json(tmp_path / "evaluation" / "test.json", scores | {"epoch": 1})  # of other weights
    assert "balanced" not in write_report(tmp_path).read_text()


@pytest.mark.parametrize(
    ("about_the_past", "said"),
    [
        ({}, "the run was tested once, at its end."),
        ({"ended": []}, "the run was tested once, at its end."),
        (
            {
                "ended": [{"epoch": 1, "tested_with": "last"}],
                "changes": [{"step": 9, "fields": []}],
            },
            "the run was tested 2 times, because it had ended after epoch 1 and went on.",
        ),
        (  # the best weights were tested first
            {"ended": [{"epoch": 2, "tested_with": "best"}]},
            "the run was tested 2 times, each time with other weights.",
        ),
        (  # the same test again
            {"ended": [{"epoch": 2, "tested_with": "last"}]},
            "the run was tested once, at its end.",
        ),
        (  # by code that did not count
            {"changes": [{"step": 9, "fields": []}]},
            "the run was tested at its end, and at each earlier end if it had one.",
        ),
    ],
)
def test_the_report_counts_the_tests(tmp_path, about_the_past, said):
    write_run(tmp_path, 2)
    environment = read_json(tmp_path / "environment.json")
    write_json(tmp_path / "environment.json", environment | about_the_past)
    assert said in write_report(tmp_path).read_text()


def test_the_report_says_that_a_run_stopped_early_if_it_did(tmp_path):
    for num_epochs, said in ((2, False), (9, True)):
        write_run(tmp_path, 2)
        config = read_json(tmp_path / "config.json")
        config |= {"early_stopping": {"patience": 1}, "num_epochs": num_epochs}
        write_json(tmp_path / "config.json", config)
        text = write_report(tmp_path).read_text()
        assert ("| stopped early | after 2 of 9 epochs |" in text) == said


def test_what_is_missing_is_one_line(tmp_path):
    with pytest.raises(UserError, match="config.json: No such file"):
        write_report(tmp_path)
    with pytest.raises(UserError, match="is not the folder of a run"):
        plot_curves(tmp_path)
    write_run(tmp_path, 1)
    (tmp_path / "plots").write_text("in the way")
    with pytest.raises(UserError, match="plots cannot be written"):
        plot_curves(tmp_path)
    assert len(read_metrics(tmp_path)) == 2


def test_reporting_needs_no_jax_and_prints_nothing(tmp_path):
    write_run(tmp_path, 2)
    code = (
        "import sys; from jaxcnn.reporting import report\n"
        "from jaxcnn.reporting.comparison import page\n"
        "from jaxcnn.reporting.figures import curves\n"
        "from jaxcnn.reporting.terminal import console\n"
        "from jaxcnn.workdir import metrics_log\n"
        "lazy = {'matplotlib', 'tensorboardX'} & set(sys.modules)\n"
        "curves.plot_curves(sys.argv[1]); report.write_report(sys.argv[1])\n"
        "assert not lazy and not {'jax', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("exact", "said"),
    [
        (True, "from the beginning, to the last bit on the same kind of machine."),
        (False, "from the beginning, up to rounding; on a GPU to the last bit with"),
        (None, "from the beginning."),
    ],
)
def test_the_report_says_how_closely_the_run_repeats(exact, said, tmp_path):
    write_run(tmp_path)
    environment = read_json(tmp_path / "environment.json")
    write_json(tmp_path / "environment.json", environment | {"exact": exact})
    assert said in write_report(tmp_path).read_text()


@pytest.mark.slow
def test_each_phase_has_its_pictures_and_its_row(tmp_path):
    write_run(tmp_path, 12)
    names = ("phase", "after_epoch", "after_step")
    phases = [("5", 0, 0), ("3", 5, 50), ("4 fresh optimizer.learning_rate=0.1", 8, 80)]
    result = read_json(tmp_path / "result.json") | {
        "phases": [dict(zip(names, phase, strict=True)) for phase in phases],
        "resumed": [2.5, 5.0],
    }
    write_json(tmp_path / "result.json", result)
    whole = PICTURES
    parts = [name for name in PICTURES if name != "learning_rate"]
    expected = [*whole, *(f"phase{n}_{name}" for n in (1, 2, 3) for name in parts)]
    assert sorted(path.stem for path in plot_curves(tmp_path)) == sorted(expected)
    svg = (tmp_path / "plots" / "accuracy.svg").read_text()
    assert svg.count("new phase") == svg.count("resumed") == 1
    text = write_report(tmp_path).read_text()
    assert "| 2 | 6 to 8 | kept | - | 50.00% | 6.25% | 0.2500 | 8.33% (epoch 6) |" in text
    assert "| 3 | 9 to 12 | fresh | `optimizer.learning_rate=0.1` |" in text
    assert "![Phase 3: loss by epoch, training minus validation](plots/phase3_diff" in text
    (tmp_path / "plots" / "phase2_loss.png").unlink()
    assert "plots/phase2_loss.png" in missing_files(tmp_path)

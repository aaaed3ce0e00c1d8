"""`python -m jaxcnn.evaluate` as a user types it."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from outcomes import assert_one_line


def evaluate(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "jaxcnn.evaluate", *map(str, arguments)],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_json_tells_what_the_files_hold(trained_workdir, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained_workdir, workdir)
    done = evaluate(f"--workdir={workdir}", "--split=train", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads(done.stdout)
    assert scores == json.loads((workdir / "evaluation" / "train.json").read_text())
    assert sum(row["support"] for row in scores["classes"]) == scores["num_examples"]
    report = (workdir / "report.md").read_text()
    assert "## Evaluation on the train split" in report and "was trained on these images" in report


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the folder of a run with --workdir=DIR"),
        (["--workdir=nowhere"], "nowhere: holds no run"),
        (["--workdir=nowhere", "--split=all"], "--split"),
        (["run"], "unexpected argument 'run'"),
        (["--workdir=nowhere", "--logits=x.npy"], "name a file ending in .npz"),
        (["--workdir=nowhere", "--label_errors"], "train folds first"),
        (["--workdir=nowhere", "--label_errors", "--data=folder:x"], "--data: has no effect"),
    ],
)
def test_a_mistake_is_one_line(command, tmp_path, arguments, said):
    done = command("evaluate", *arguments, folder=tmp_path)
    assert done["code"] == 2 and done["output"] == ""
    assert_one_line(done["errors"], said)

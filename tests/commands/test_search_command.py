"""`jaxcnn search`: mistakes in one line, and two processes on one study."""

import json
import os
import subprocess
import sys

import pytest
from commands import ROOT, run
from outcomes import assert_one_line

CONFIG = f"--config={ROOT}/configs/digits.py"
RATE = "--search=optimizer.learning_rate=log(1e-4,1e-2)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --config=FILE and --search="),
        ([CONFIG], "give --config=FILE and --search="),
        ([CONFIG, "--search=optimizer.learning_rate=log(0,1)"], "must begin above 0"),
        ([CONFIG, RATE, "--sampler=nsga2"], "weighs accuracy against a cost; give --minimize"),
        ([CONFIG, RATE, "--minimize=parameters"], "all trials have the same network"),
        ([CONFIG, RATE, "--trials=0"], "trials"),
        ([CONFIG, "--search=gone.py"], "--search=gone.py: there is no such file"),
        ([CONFIG, RATE, "--pbt=2", "--halving"], "drop --study and --halving"),
        ([CONFIG, RATE, "more"], "unexpected argument 'more'"),
    ],
)
def test_mistakes(command, tmp_path, arguments, message):
    done = command("search", *arguments, folder=tmp_path)
    assert done["code"] == 2 and done["output"] == ""
    assert_one_line(done["errors"], message)
    assert not any(tmp_path.iterdir())


def test_help_lists_it(command, tmp_path):
    done = run("jaxcnn", "--help", cwd=tmp_path)
    assert done.returncode == 0 and "  search    Search settings" in done.stdout


def test_without_optuna(tmp_path):
    program = (
        "import sys; sys.modules['optuna'] = None; sys.argv[1:] = "
        f"[{CONFIG!r}, {RATE!r}]; import runpy; "
        "runpy.run_module('jaxcnn.search', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 2
    assert_one_line(done.stderr, "a search needs Optuna: pip install 'jaxcnn[search]'")


@pytest.mark.long
def test_two_processes_share_a_study(tmp_path):
    """They start at once, in an empty folder."""
    arguments = [CONFIG, RATE, "--trials=6", "--population=2", "--config.num_epochs=2"]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "TFDS_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-m", "jaxcnn.search", *arguments]
    workers = [
        subprocess.Popen(
            command, cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    outputs = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    folder = tmp_path / "runs" / "digits-search"
    result = json.loads((folder / "result.json").read_text())
    assert [row["state"] for row in result["trials"]] == ["finished"] * 6
    assert len({row["optimizer.learning_rate"] for row in result["trials"]}) == 6
    trained = [output.count("\ntrial") for output, _ in outputs]
    assert sum(trained) == 3 and min(trained) >= 1

"""`jaxcnn sweep`: mistakes in one line, a sweep and its seeds from the command line."""

import json

import pytest
from commands import ROOT, run
from outcomes import assert_one_line

CONFIG = f"--config={ROOT}/configs/digits.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --config=FILE and --sweep="),
        ([CONFIG], "give --config=FILE and --sweep="),
        ([CONFIG, "--sweep=seed"], "'seed' must be FIELD=VALUES"),
        ([CONFIG, "--sweep=gone.py"], "--sweep=gone.py: there is no such file"),
        ([CONFIG, f"--sweep={ROOT}/configs/digits.py"], "digits.py: has no SWEEP"),
        ([CONFIG, "--sweep=dataset.name=digits,mnist"], "dataset.name cannot vary"),
        ([CONFIG, "--sweep=seed=0,-1"], "config.seed = -1"),
        (
            [CONFIG, "--sweep=seed=0..1", "--config.dataset.name=folder:gone", "--data_at=moved"]
            + ["--dry_run"],
            "moved",
        ),
    ],
)
def test_mistakes(command, tmp_path, arguments, message):
    done = command("sweep", *arguments, folder=tmp_path)
    assert done["code"] == 2 and done["output"] == ""
    assert_one_line(done["errors"], message)
    assert not any(tmp_path.iterdir())


def test_a_sweep_by_name_and_as_a_file(command, tmp_path):
    (tmp_path / "mine.py").write_text('SWEEP = """\noptimizer.momentum=.5,.9\nseed=0..1\n"""\n')
    momentum = (CONFIG, "--config.optimizer.name=momentum", "--dry_run")
    done = command("sweep", *momentum, "--sweep=mine.py", folder=tmp_path)
    assert done["code"] == 0 and "003  optimizer.momentum = 0.9, seed = 1" in done["output"]
    done = command("sweep", *momentum, "--sweep=mlp_rates", folder=tmp_path)
    assert "35  optimizer.learning_rate = 0.1, optimizer.momentum = 0.9, seed = 2" in done["output"]


@pytest.mark.slow
def test_seeds_of_a_training_are_a_population(tmp_path):
    done = run(
        "jaxcnn.main", CONFIG, "--seeds=2", "--config.num_epochs=1", cwd=tmp_path,
        TFDS_DATA_DIR=str(tmp_path / "data"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "runs" / "digits" / "result.json").read_text())
    assert [row["seed"] for row in result["members"]] == [0, 1]
    done = run("jaxcnn.compare", "runs/digits", cwd=tmp_path)
    assert done.returncode == 0 and "2" in done.stdout

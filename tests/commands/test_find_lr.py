"""`python -m jaxcnn.find_lr`: a suggestion to put on the command line."""

import json

import pytest
from commands import ROOT, run
from outcomes import assert_one_line


@pytest.mark.slow
def test_a_suggestion_and_its_picture(trained_workdir, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    arguments = (
        "jaxcnn.find_lr", f"--config={ROOT}/configs/digits.py", "--config.num_devices=1",
        "--config.augment.rotation=0.0", "--num_steps=60", "--min=1e-5",
    )  # fmt: skip
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    assert "the config's learning rate is 0.003" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("suggestion")]
    words, rate = line.split("=")
    assert words.endswith(" --config.optimizer.learning_rate") and 1e-4 < float(rate) < 1e-2
    assert {path.name for path in tmp_path.iterdir()} == {"data", "lr_finder"}
    assert {path.name for path in (tmp_path / "lr_finder").iterdir()} == {
        "digits.png", "digits.svg",
    }  # fmt: skip
    done = run(*arguments, "--json", "--out=out", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert f"{found['suggestion']:.3g}" == rate  # the same command gives the same numbers
    first_loss = found["losses"][0]
    start = f"--config.init_from={trained_workdir}"
    done = run(*arguments, start, "--json", "--out=out", cwd=tmp_path)
    assert json.loads(done.stdout)["losses"][0] < first_loss / 2  # it starts from trained weights
    assert len(found["learning_rates"]) == len(found["losses"]) == len(found["smoothed_losses"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --config=FILE"),
        (["--config=nothing.py"], "nothing.py"),
        ([f"--config={ROOT}/configs/digits.py", "--min=1", "--max=0.1"], "must be 0 < min < max"),
        ([f"--config={ROOT}/configs/digits.py", "--num_steps=3"], "num_steps"),
    ],
)
def test_mistakes(command, tmp_path, arguments, said):
    done = command("find_lr", *arguments, folder=tmp_path)
    assert done["code"] == 2 and done["output"] == ""
    assert_one_line(done["errors"], said)
    assert not any(tmp_path.iterdir())

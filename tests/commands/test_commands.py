"""The commands as a user types them: one process each."""

import json

import pytest
from commands import ROOT, run
from outcomes import assert_one_line

STRICT = {
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_TRANSFER_GUARD": "disallow",
}


@pytest.mark.slow
def test_the_quickstart(tmp_path):
    """Also where the environment has JAX's strict flags, for other programs."""
    done = run(
        "jaxcnn.main", "--config.num_epochs=2", cwd=tmp_path, TFDS_DATA_DIR=str(tmp_path / "data"),
        XLA_FLAGS="", **STRICT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "test accuracy" in done.stdout and "\x1b" not in done.stdout
    result = json.loads((tmp_path / "runs" / "quickstart" / "result.json").read_text())
    assert result["test_accuracy"] > 0.5


def test_help_lists_the_fields(tmp_path):
    done = run("jaxcnn.main", "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--workdir" in done.stdout and "--config.optimizer.learning_rate=0.001" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config.num_epoch=3"], "config.num_epoch is not a field of a run; did you mean num_ep"),
        (["--config.lr=3"], "config.lr is not a field of a run; did you mean optimizer.learning_r"),
        (
            ["--config.model.depth=3"],
            "config.model.depth: the network of the config file has no",
        ),
        (["--config.optimizer=sgd"], "--config.optimizer.name=sgd?"),
        (["--config.num_epochs=2.5"], "--config.num_epochs=2.5: must be a whole number"),
        (["--config.loss.l2=big"], "--config.loss.l2=big: must be a number"),
        (["--config.deterministic=maybe"], "--config.deterministic=maybe: must be True or False"),
        (["--config.global_batch_size=-1"], "config.global_batch_size = -1: allowed is at least 0"),
        ([f"--config={ROOT}/configs/lenet.py:imagenet"], "no variant 'imagenet'"),
        (["--config=nothing.py"], "nothing.py"),
        (["train"], "unexpected argument 'train'"),
        (["--workdirr=x"], "workdirr"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(command, tmp_path, arguments, said):
    done = command("main", *arguments, folder=tmp_path)
    assert done["code"] == 2
    assert_one_line(done["errors"], said)
    assert done["output"] == "" and not any(tmp_path.iterdir())

"""Reading a run that is trained on meanwhile or afterwards."""

import shutil

from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.report import missing_files
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.run_files import TEST_EVALUATION, checkpoint_steps
from jaxcnn.workdir.weights import load_weights


def test_an_evaluation_from_before_the_end_is_made_again_not_compared(trained_workdir, tmp_path):
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    evaluation = read_json(workdir / TEST_EVALUATION)
    assert missing_files(workdir) == [] and read_runs([workdir])[0][0].evaluation["classes"]
    write_json(workdir / TEST_EVALUATION, evaluation | {"checkpoint": "latest", "epoch": 1})
    assert missing_files(workdir) == [TEST_EVALUATION]
    (run,), left_out = read_runs([workdir])
    assert run.evaluation == {}
    said = f"{workdir / TEST_EVALUATION}: is of other weights than the result; left out"
    assert left_out == [said]


def test_a_checkpoint_that_is_replaced_while_it_is_read(trained_workdir, tmp_path, monkeypatch):
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    (workdir / "result.json").unlink()  # it trains
    step, read = checkpoint_steps(workdir)[-1], Checkpoints.restore_weights
    folder = workdir / "checkpoints" / str(step)

    def replace_and_read(*arguments):
        if folder.exists():
            folder.rename(folder.with_name(str(step + 1)))
        return read(*arguments)

    monkeypatch.setattr(Checkpoints, "restore_weights", replace_and_read)
    assert load_weights(workdir, "latest").step == step + 1

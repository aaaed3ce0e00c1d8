"""Evaluations of a run that was trained on afterwards."""

import shutil

from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.report import missing_files
from jaxcnn.workdir.run_files import TEST_EVALUATION


def test_one_from_before_the_end_is_made_again_and_not_compared(trained_workdir, tmp_path):
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    evaluation = read_json(workdir / TEST_EVALUATION)
    assert missing_files(workdir) == [] and read_runs([workdir])[0][0].evaluation["classes"]
    write_json(workdir / TEST_EVALUATION, evaluation | {"checkpoint": "latest", "epoch": 1})
    assert missing_files(workdir) == [TEST_EVALUATION]
    (run,), left_out = read_runs([workdir])
    assert run.evaluation == {}
    said = f"{workdir / TEST_EVALUATION}: is of other weights than the result; left out"
    assert left_out == [said]

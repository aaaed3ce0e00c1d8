"""`jaxcnn.load`: the trained network of a run, in a program."""

import json
import shutil
import warnings

import pytest

import jaxcnn


@pytest.mark.usefixtures("own_parts")
def test_it_warns_of_changed_code(trained_workdir, tmp_path):
    workdir = shutil.copytree(trained_workdir, tmp_path / "run")
    jaxcnn.metric("mine")(lambda labels, probabilities: 0.5)
    file = workdir / "environment.json"
    environment = json.loads(file.read_text())
    record = {"kind": "metric", "name": "mine", "file": "mine.py", "digest": "0" * 64}
    file.write_text(json.dumps(environment | {"parts": [record]}))
    with pytest.warns(UserWarning, match="has changed since .* recorded it") as caught:
        assert jaxcnn.load(workdir).class_names == tuple("0123456789")
    assert caught[0].filename == __file__
    file.write_text(json.dumps(environment))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jaxcnn.load(workdir)

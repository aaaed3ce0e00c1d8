"""The arrays of a trained network, as a user asks for them."""

import json

import numpy as np


def test_the_arrays_of_a_run_are_listed_and_written(command, trained_workdir, tmp_path):
    run = f"--workdir={trained_workdir}"
    done = command("summary", run, "--tensors", "--json", folder=tmp_path)
    assert (done["code"], done["errors"]) == (0, "")
    listed = json.loads(done["output"])
    assert [row["name"] for row in listed[:2]] == ["conv1/bias", "conv1/kernel"]
    assert listed[-1]["name"] == "logits/kernel" and listed[1]["shape"] == [5, 5, 1, 6]

    done = command("summary", run, "--npz=weights.npz", folder=tmp_path)
    assert done["code"] == 0 and done["output"].startswith("weights.npz: 10 arrays, ")
    with np.load(tmp_path / "weights.npz") as arrays:
        assert list(arrays) == [row["name"] for row in listed]
        assert sum(array.size for array in arrays.values()) == 61_706
        for row in listed:
            np.testing.assert_array_equal(arrays[row["name"]].ravel()[:4], row["first"])

    done = command("summary", run, "--tensors", "--checkpoint=best", folder=tmp_path)
    assert "conv1/kernel" in done["output"] and "10 arrays, 61,706 numbers" in done["output"]
    done = command("summary", run, folder=tmp_path)
    assert "61,706 parameters" in done["output"] and "Conv" in done["output"]


def test_mistakes_are_one_line(command, trained_workdir, tmp_path):
    for arguments, text in (
        (["--network=lenet", "--tensors"], "--tensors, --npz and --checkpoint need --workdir=DIR"),
        ([f"--workdir={tmp_path}", "--tensors"], "holds no run"),
        ([f"--workdir={trained_workdir}", "--npz=none/x.npz"], "there is no folder none"),
        ([f"--workdir={trained_workdir}", "--list"], "give one of"),
    ):
        done = command("summary", *arguments, folder=tmp_path)
        assert (done["code"], done["output"]) == (2, "") and text in done["errors"]
        assert len(done["errors"].splitlines()) == 1

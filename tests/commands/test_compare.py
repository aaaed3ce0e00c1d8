"""The command as a user types it."""

import json
import os
import subprocess
import sys

from jaxcnn.files.writing import write_json

COMMAND = (
    "from jaxcnn import compare; from jaxcnn.process import command; command.run(compare.main)"
)


def compare(*arguments, cwd, code=COMMAND):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=cwd, env=os.environ, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def write_run(folder, seed, accuracy):
    folder.mkdir(parents=True)
    config = {
        "seed": seed, "validation": "holdout", "test_with": "best", "model": {"name": "lenet"},
        "dataset": {"name": "digits"},
    }  # fmt: skip
    write_json(folder / "config.json", config)
    write_json(folder / "result.json", {"test_accuracy": accuracy, "parameters": 10})
    (folder / "metrics.jsonl").write_text("")
    write_json(folder / "environment.json", {})
    write_json(folder / "dataset.json", {"split_fingerprints": {"test": "0a"}})


def test_it_compares_without_jax(tmp_path):
    write_run(tmp_path / "runs" / "a", 0, 0.5)
    write_run(tmp_path / "runs" / "b", 1, 0.7)
    code = (
        "import sys\nfrom jaxcnn import compare\nfrom jaxcnn.process import command\n"
        "def main(a):\n"
        "    code = compare.main(a)\n"
        "    assert not {'jax', 'flax', 'tensorflow_datasets', 'sklearn'} & set(sys.modules)\n"
        "    return code\n"
        "command.run(main)"
    )
    done = compare("runs/a", "runs/b", cwd=tmp_path, code=code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "60.00% ± 14.14%" in done.stdout and "comparison/index.html" in done.stdout
    assert (tmp_path / "comparison" / "index.html").is_file()


def test_json_and_what_is_left_out(tmp_path):
    write_run(tmp_path / "a", 0, 0.5)
    (tmp_path / "b\x1b").mkdir()
    done = compare("a", "b\x1b", "--json", "--out=here", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "left out: b\\x1b: holds no run: there is no config.json\n"
    found = json.loads(done.stdout)
    assert found["networks"][0]["test_accuracy"] == 0.5
    assert found["runs"][0]["run"] == "a" and len(found["left_out"]) == 1
    assert (tmp_path / "here" / "index.html").is_file()


def test_runs_without_a_fingerprint_are_compared_and_named(tmp_path):
    for name in "ab":
        write_run(tmp_path / name, ord(name), 0.5)
        (tmp_path / name / "dataset.json").unlink()
    done = compare("a", "b", cwd=tmp_path)
    assert done.returncode == 0 and "50.00% ± 0.00" in done.stdout
    assert done.stderr.startswith("note: 2 of the runs have no fingerprint of their data")


def test_mistakes_are_one_line(tmp_path):
    for arguments, said in (
        ([], "name the folders of the runs to compare"),
        (["runs/*"], "runs/*: there is no such folder"),
        ([tmp_path], "nothing to compare"),
        (["--outt=x"], "outt"),
    ):
        done = compare(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not any(tmp_path.iterdir())

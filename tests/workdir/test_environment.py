"""The code that a run names: its version, commit, and whether it was modified."""

import os
import shutil
import subprocess

import pytest

import jaxcnn
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.report import _versions
from jaxcnn.workdir.environment import code_version, continued, package_versions

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *arguments):
    """Runs git without the user's settings, some of which ask for a key."""
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    no_files = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(
        ["git", "-C", folder, *identity, *arguments],
        env=os.environ | no_files,
        check=True,
        capture_output=True,
    )


@needs_git
def test_a_checkout_and_its_changes(tmp_path, monkeypatch):
    (tmp_path / "jaxcnn").mkdir()
    (tmp_path / "jaxcnn" / "a.py").write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    code = code_version(tmp_path)
    assert code["version"] == jaxcnn.__version__
    assert len(code["commit"]) == 40 and code["modified"] is False
    (tmp_path / "notes.md").write_text("of no effect on a run")
    assert code_version(tmp_path) == code
    (tmp_path / "jaxcnn" / "new.py").write_text("1")
    assert code_version(tmp_path) == code | {"modified": True}
    monkeypatch.setenv("PATH", "")
    assert code_version(tmp_path) == {"version": jaxcnn.__version__}


@needs_git
def test_an_installation_in_another_repository(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "site-packages").mkdir()
    assert code_version(tmp_path / "site-packages") == {"version": jaxcnn.__version__}
    assert package_versions()["jaxcnn"] == jaxcnn.__version__


@pytest.mark.usefixtures("dense")
def test_each_part_of_a_training_keeps_its_environment(config, train, tmp_path):
    config.num_epochs, path = 1, tmp_path / "environment.json"
    train(config, tmp_path)
    here = read_json(path)
    elsewhere = {"machine": "elsewhere", "devices": ["H100"] * 8}
    write_json(path, here | elsewhere)
    config.test_with = "last"
    train(config, tmp_path)  # only tested again
    after = read_json(path)
    assert after.items() >= elsewhere.items() and "starts" not in after
    config.num_epochs = 2
    train(config, tmp_path)
    after = read_json(path)
    assert after["machine"] == here["machine"] and after["devices"] == here["devices"]
    names = ("code", "python", "versions")
    assert after["starts"] == [{"until_step": 5} | {n: here[n] for n in names} | elsewhere]
    said = "- until step 5: devices 8 × H100, machine elsewhere"
    assert said in (tmp_path / "report.md").read_text()


def part(machine):
    return {"machine": machine}


def test_only_parts_that_trained_are_kept():
    a, b, c = map(part, "abc")
    killed_at_once = continued(a, b, 10, trains=True)
    assert killed_at_once == b | {"starts": [{"until_step": 10} | a]}
    assert continued(killed_at_once, a, 10, trains=True) == a
    assert continued(killed_at_once, b, 10, trains=False) == a
    later = continued(killed_at_once, c, 20, trains=True)
    assert later == c | {"starts": [{"until_step": 10} | a, {"until_step": 20} | b]}
    # the checkpoints from step 15 on are damaged
    again = continued(later, c, 15, trains=True)
    assert again == c | {"starts": [{"until_step": 10} | a, {"until_step": 15} | b]}


def test_a_part_that_is_as_the_last_one_says_so():
    a, b = ({"machine": name, "devices": ["CPU"]} for name in "ab")
    text = _versions(a | {"starts": [{"until_step": 10} | a, {"until_step": 20} | b]})
    assert "- until step 10: as in the table\n- until step 20: machine b" in text

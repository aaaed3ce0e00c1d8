"""The code that a run names: its version, commit, and whether it was modified."""

import subprocess

import jaxcnn
from jaxcnn.workdir.environment import code_version, package_versions


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


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


def test_an_installation_in_another_repository(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "site-packages").mkdir()
    assert code_version(tmp_path / "site-packages") == {"version": jaxcnn.__version__}
    assert package_versions()["jaxcnn"] == jaxcnn.__version__

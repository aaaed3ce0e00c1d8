"""The working directory after a user's code."""

import os
import shutil

from jaxcnn.files import paths
from jaxcnn.files.paths import staying_here


def test_a_block_that_leaves_comes_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    with staying_here():
        os.chdir("other")
    assert os.getcwd() == str(tmp_path)


def test_a_block_that_stays_enters_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def refuse(folder):
        raise PermissionError(folder)

    monkeypatch.setattr(paths.os, "chdir", refuse)  # as of a folder that may only be read
    with staying_here():
        pass


def test_a_folder_that_is_gone_is_not_entered(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with staying_here():
        os.chdir(tmp_path)
        shutil.rmtree("here")
    assert os.getcwd() == str(tmp_path)

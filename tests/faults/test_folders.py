"""Folders that cannot be written, are full, or hold something else."""

import contextlib
import os
import subprocess

import pytest
from outcomes import assert_one_line, files_in, outcome


@contextlib.contextmanager
def mounted(folder, options):
    """A file system of its own in a folder; the test is skipped where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    with contextlib.suppress(OSError):
        if os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0:
            try:
                yield folder
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)
            return
    pytest.skip("it takes root, and leave to mount")


def test_a_folder_that_cannot_be_a_run_s(command, tmp_path):
    (tmp_path / "file").write_text("dear")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "config.json").write_text('{"name": "another program"}')
    before = files_in(tmp_path)
    for workdir, said in (
        ("file", "file: File exists"),
        ("file/run", "file/run: Not a directory"),
        ("other", "other: holds files but no run"),
        ("new[1]/run", "new[1]/run: the folder's path must not contain ["),
        ("json", "json: holds another run"),
    ):
        done = command("main", f"--workdir={workdir}", folder=tmp_path)
        assert done["code"] == 2
        assert_one_line(done["errors"], said, "name another --workdir")
    assert files_in(tmp_path) == before


def test_a_folder_that_can_only_be_read(command, tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = command("main", "--workdir=disk/run", folder=tmp_path)
        assert done["code"] == 2
        assert_one_line(done["errors"], "run: Read-only file system; name another --workdir")


@pytest.mark.slow
def test_no_room_for_a_checkpoint(finish, whole, tmp_path):
    workdir = tmp_path / "run"
    limited = ("sh", "-c", 'ulimit -f 400; exec "$@"', "sh")  # no file above 200 or 400 KB
    code, _, errors = finish(workdir, under=limited)
    assert code == 2
    assert_one_line(errors, "a checkpoint cannot be written (File too large")
    finish(workdir)  # with room again
    assert outcome(workdir) == outcome(whole[0])


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 100, 1000, 1500, 2000, 2500, 3000])
def test_a_full_disk(finish, whole, tmp_path, kilobytes):
    """From one on which nothing can be written to one that fills up late."""
    with mounted(tmp_path / "disk", f"size={kilobytes}k") as disk:
        workdir = disk / "run"
        code, _, errors = finish(workdir)
        assert code == 2
        assert_one_line(errors, str(workdir))
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        code, _, errors = finish(workdir)
        assert (code, errors) == (0, "")
        assert outcome(workdir) == outcome(whole[0])

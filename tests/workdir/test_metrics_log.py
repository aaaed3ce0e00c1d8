"""Metrics survive being killed, resumed and filled with odd numbers."""

import csv
import json
import os
import stat

import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.workdir import metrics_log
from jaxcnn.workdir.metrics_log import MetricsWriter, read_metrics


def row(step, split="train", **more):
    numbers = {"loss": 1 / (step + 1), "accuracy": 0.5, "learning_rate": 0.001}
    return {"step": step, "epoch": step // 10, "split": split} | numbers | more


def run(workdir, steps, resume_step=None):
    writer = MetricsWriter(workdir, resume_step=resume_step)
    for step in steps:
        writer.write(row(step))
    writer.close()


def steps_in(workdir):
    return [each["step"] for each in read_metrics(workdir)]


def csv_rows(workdir):
    with open(workdir / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def events_of(workdir):
    """(step, tag, value) of every scalar, and (step, "start", None) of every session."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted((workdir / "tensorboard").iterdir(), key=lambda p: p.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            if event.HasField("session_log"):
                found.append((event.step, "start", None))
            found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
    return found


def test_rows_come_back_as_written(tmp_path):
    rows = [row(10, seconds=1.5), row(10, "validation"), row(20), row(20, "test", error=0.25)]
    writer = MetricsWriter(tmp_path / "new" / "run", resume_step=None)
    for each in rows:
        writer.write(each)
        assert read_metrics(tmp_path / "new" / "run")[-1] == each  # before it is closed
    writer.close()
    assert read_metrics(tmp_path / "new" / "run") == rows


def test_the_csv_says_what_the_jsonl_says(tmp_path):
    writer = MetricsWriter(tmp_path, resume_step=None)
    for each in [row(10), row(10, "validation", seconds=2.0), row(20, top5=0.9), row(20, "test")]:
        writer.write(each)
    writer.close()
    table = csv_rows(tmp_path)
    assert list(table[0])[:5] == ["step", "epoch", "split", "loss", "accuracy"]
    told = [{name: value for name, value in each.items() if value} for each in table]
    assert told == [{k: str(v) for k, v in each.items()} for each in read_metrics(tmp_path)]


def test_a_torn_last_line_is_left_out_and_removed_on_resume(tmp_path):
    run(tmp_path, [10, 20])
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 30, "epoch": 3, "spl')
    assert steps_in(tmp_path) == [10, 20]
    run(tmp_path, [30], resume_step=20)
    assert steps_in(tmp_path) == [10, 20, 30]
    assert all(json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())


def test_resuming_drops_later_rows_everywhere(tmp_path):
    run(tmp_path, [10, 20, 30])
    run(tmp_path, [30, 40], resume_step=20)
    assert steps_in(tmp_path) == [10, 20, 30, 40]
    assert [int(each["step"]) for each in csv_rows(tmp_path)] == [10, 20, 30, 40]
    starts = [step for step, tag, _ in events_of(tmp_path) if tag == "start"]
    assert starts == [0, 21]


def test_resuming_a_finished_run_does_not_test_twice(tmp_path):
    for resume_step in (None, 10):
        writer = MetricsWriter(tmp_path, resume_step=resume_step)
        if resume_step is None:
            writer.write(row(10))
        writer.write(row(10, "test"))
        writer.close()
    assert [each["split"] for each in read_metrics(tmp_path)] == ["train", "test"]


def test_a_new_run_starts_without_rows(tmp_path):
    run(tmp_path, [10])
    run(tmp_path, [5])
    assert steps_in(tmp_path) == [5]


def test_tensorboard_gets_the_finite_numbers(tmp_path):
    writer = MetricsWriter(tmp_path, resume_step=None)
    writer.write({"step": 7, "epoch": 1, "split": "train", "loss": 2.5, "accuracy": np.nan})
    writer.close()
    assert events_of(tmp_path)[1:] == [(7, "train/loss", 2.5)]


def test_numpy_and_non_finite_numbers_become_plain_json(tmp_path):
    run(tmp_path, [])
    writer = MetricsWriter(tmp_path, resume_step=None)
    writer.write(row(np.int64(3), loss=np.float32("inf"), accuracy=np.float32(0.5)))
    writer.close()
    line = (tmp_path / "metrics.jsonl").read_text()
    saved = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    assert saved["loss"] is None and saved["accuracy"] == 0.5 and saved["step"] == 3


def test_json_is_replaced_at_once_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_json(path, {"accuracy": np.float32(0.5), "classes": ("a", "ü")})
    assert read_json(path) == {"accuracy": 0.5, "classes": ["a", "ü"]}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(metrics_log.os, "replace", fail)
    with pytest.raises(UserError, match=r"result.json cannot be written: No space left on device"):
        write_json(path, {"accuracy": 1.0})
    monkeypatch.undo()
    assert read_json(path)["accuracy"] == 0.5
    assert os.listdir(tmp_path) == ["result.json"]


def test_files_are_as_readable_as_others(tmp_path):
    write_json(tmp_path / "a.json", 1)
    (tmp_path / "b.json").write_text("1")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.json", "b.json")]
    assert modes[0] == modes[1]


def test_a_full_disk_is_one_line(tmp_path):
    writer = MetricsWriter(tmp_path, resume_step=None)
    real = writer._jsonl
    with open("/dev/full", "w") as full:
        writer._jsonl = full
        with pytest.raises(UserError, match="cannot be written: No space left on device"):
            writer.write(row(1))
        with pytest.raises(OSError):
            full.close()
    writer._jsonl = real
    writer.close()


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written: Not a directory"):
        MetricsWriter(tmp_path / "file" / "run", resume_step=None)


def test_what_is_no_run_and_no_json_is_said(tmp_path):
    with pytest.raises(UserError, match="is not the folder of a run"):
        read_metrics(tmp_path)
    with pytest.raises(UserError, match="No such file"):
        read_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        read_json(tmp_path / "config.json")

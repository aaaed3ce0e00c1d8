"""What the tests of faults ask of a run's folder."""

import json

import pytest

TIMES = ("seconds", "images_per_second")


def few_or_many(few, many):
    """`few` in every run of the tests, `many` with -m long."""
    return pytest.mark.parametrize("count", [few, pytest.param(many, marks=pytest.mark.long)])


def outcome(workdir):
    """What a run left, without what depends on the clock."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    result = json.loads((workdir / "result.json").read_text())
    kept = ("test_accuracy", "test_loss", "best_epoch", "best_validation_accuracy", "num_epochs")
    return (
        [{name: row[name] for name in row if name not in TIMES} for row in rows],
        {name: result[name] for name in kept},
    )


def files_in(folder):
    """Every file below a folder with its bytes, but for locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in files}


def assert_one_line(errors, *said):
    """A command's stderr is one line, no traceback, and says what it should."""
    assert len(errors.strip().splitlines()) == 1, errors
    assert "Traceback" not in errors
    for text in said:
        assert text in errors

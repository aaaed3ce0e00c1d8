"""The console in a pipe, on a terminal, and on one that knows ASCII alone."""

import contextlib
import io
import re
import time

import pytest
from rich.console import Console as RichConsole
from rich.table import Table

from jaxcnn.reporting.terminal import console as console_module
from jaxcnn.reporting.terminal import progress_bar
from jaxcnn.reporting.terminal.console import _WORKDIR, Console
from jaxcnn.reporting.terminal.time_left import DurationNotice, TimeLeft
from jaxcnn.text import clock, duration, loss, percent

CONFIG = {
    "seed": 0,
    "validation": "holdout",
    "dataset": {"name": "cifar10", "data_dir": ""},
    "optimizer": {"name": "adam", "learning_rate": 1e-3, "eps": 1e-7},
}
RESULT = {
    "test_accuracy": 0.5974, "test_loss": 1.25, "tested_with": "best", "best_epoch": 2,
    "best_validation_accuracy": 0.61, "num_epochs": 3, "seconds": 3725.0,
    "images_per_second": 4123.4, "parameters": 61706, "seed": 0,
}  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run_three_epochs(console, workdir="runs/lenet", config=CONFIG):
    table = Table("layer", "parameters")
    table.add_row("conv1 [5x5]", "456")
    console.start(config, table, workdir)
    console.warn("checkpoint 20 is damaged")
    for epoch in (1, 2, 3):
        with console.progress(epoch, 3, 40) as bar:
            for step in (10, 20, 30):
                bar.update(step, loss=2.5, accuracy=0.125, images_per_second=4123.4)
        console.epoch_row(
            epoch=epoch,
            num_epochs=3,
            train={
                "split": "train", "loss": 2.5, "accuracy": 0.125, "learning_rate": 0.00097,
                "seconds": 12.34, "images_per_second": 4123.4,
            },
            validation={"loss": 2.25, "accuracy": 0.25},
            is_best=epoch < 3,
        )  # fmt: skip
    console.result(RESULT, workdir)


def test_a_pipe_gets_whole_lines_and_no_control_characters(monkeypatch, tmp_path):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(progress_bar, "PLAIN_SECONDS", 0.0)
    (tmp_path / "report.md").write_text("")
    pipe = io.StringIO()
    run_three_epochs(Console(pipe), tmp_path)
    text = pipe.getvalue()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    lines = [line.rstrip() for line in text.splitlines()]
    row = "    1/3    2.5000    12.50%     2.2500    25.00%    0.00097     12.3    4,123 *"
    assert row in lines and row.replace("1/3", "3/3").removesuffix(" *") in lines
    assert sum("s/epoch" in line for line in lines) == 1
    assert any(re.match(r"epoch 2/3  step 20/40  loss 2.5000  acc 12.50%", line) for line in lines)
    assert "test accuracy  59.74%, loss 1.2500, with the weights of the best epoch" in lines
    assert "time           1:02:05, 4,123 images/s in training" in lines
    assert any(line.startswith("  report.md ") for line in lines)
    assert not any(line.startswith("  checkpoints ") for line in lines)
    assert 'dataset    name=cifar10  data_dir=""' in lines


def test_the_table_is_aligned_and_fits_80_columns(tmp_path):
    pipe = io.StringIO()
    for name in _WORKDIR:
        (tmp_path / name).write_text("")
    run_three_epochs(Console(pipe))
    with contextlib.chdir(tmp_path):
        Console(pipe).result(RESULT, ".")
    lines = pipe.getvalue().splitlines()
    header = next(line for line in lines if "s/epoch" in line)
    row = next(line for line in lines if line.startswith("    3/3"))
    assert max(map(len, lines)) <= 80
    assert [m.end() for m in re.finditer(r"\S+", header)] == [
        m.end() for m in re.finditer(r"\S+", row)
    ]


def test_a_pipe_hears_nothing_within_ten_seconds():
    pipe = io.StringIO()
    run_three_epochs(Console(pipe))
    assert "step" not in pipe.getvalue()


@pytest.mark.parametrize("kind", [progress_bar.PlainLines, progress_bar.LiveBar])
def test_the_progress_of_a_long_run_fits_80_columns(monkeypatch, kind):
    monkeypatch.setattr(progress_bar, "PLAIN_SECONDS", -1.0)
    now = 0.0
    times = TimeLeft(now=lambda: now)
    times.start_epoch(12000, epochs_after=150)
    console = RichConsole(file=io.StringIO(), width=80, force_terminal=kind is progress_bar.LiveBar)
    estimate = DurationNotice(times)
    estimate.max_minutes = 1.0  # its line is longer than 80 columns, and not of the progress
    with kind(console, "epoch 150/300", 12000, times, estimate) as bar:
        for step in (1000, 1001):
            bar.update(step, loss=2.5, accuracy=0.125, images_per_second=14123.4)
            now += 3.0
    text = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", console.file.getvalue())
    lines = re.split(r"[\r\n]+", text)
    assert max(map(len, lines)) <= 80 and "…" not in text
    assert any(line.rstrip().endswith("left") for line in lines)


def test_a_terminal_shows_a_bar_and_gets_its_cursor_back(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    run_three_epochs(Console(screen))
    text = screen.getvalue()
    assert "loss 2.5000  acc 12.50%  4,123 img/s" in text and "validating" in text
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l") == 3


def test_a_failure_inside_an_epoch_gives_the_cursor_back(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    with pytest.raises(KeyboardInterrupt), Console(screen).progress(1, 3, 40):
        raise KeyboardInterrupt
    assert "\x1b[?25h" in screen.getvalue() and "validating" not in screen.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    run_three_epochs(Console(screen))
    assert "\x1b" not in screen.getvalue() and "3/3" in screen.getvalue()


def test_an_ascii_terminal_does_not_crash():
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii")
    console = Console(stream)
    run_three_epochs(console)
    console.warn("läuft")
    stream.flush()
    assert b"warning: l?uft" in data.getvalue() and b"59.74%" in data.getvalue()


def test_resuming_says_where_and_what_changed_and_repeats_the_header():
    pipe = io.StringIO()
    console = Console(pipe)
    run_three_epochs(console)
    console.resume(4, 1173, ["num_epochs: 3 before, now 5"])
    run_three_epochs(console)
    text = pipe.getvalue()
    assert "resuming in epoch 4, after 1,173 steps\n  changed: num_epochs: 3 before" in text
    assert text.count("s/epoch") == 2


def test_the_test_set_as_validation_is_said():
    said = []
    for changes in ({}, {"validation": "test"}, {"tuned_on_test_of": "cifar10"}):
        pipe = io.StringIO()
        run_three_epochs(Console(pipe), config=CONFIG | changes)
        text = pipe.getvalue()
        assert "publication" not in text and max(map(len, text.splitlines())) <= 80
        sentences = "The test set served as validation", "The recipe was chosen by its test"
        said.append([sentence in text for sentence in sentences])
    assert said == [[False, False], [True, False], [False, True]]


def test_classes_that_accuracy_hides_are_said():
    def printed(*classes):
        pipe = io.StringIO()
        rows = [{"name": n, "support": s, "recall": r} for n, s, r in classes]
        Console(pipe).result(RESULT, "runs/lenet", rows)
        return pipe.getvalue()

    text = printed(("cat", 90, 0.75), ("dog", 50, 0.0), ("axolotl", 0, None))
    assert "37.50% balanced (mean recall of the classes)\n" in text
    assert "The network recognizes no image of 1 of the 3 classes: dog.\n" in text
    text = printed(("cat", 60, 0.75), ("dog", 50, 0.1))
    assert "balanced" not in text and "recognized" not in text


def test_brackets_are_printed_as_they_are():
    pipe = io.StringIO()
    Console(pipe).warn("[bold]x[/bold] [/]")
    assert "[bold]x[/bold] [/]" in pipe.getvalue()


def test_time_left_comes_from_steps_then_from_whole_epochs():
    now = 0.0
    times = TimeLeft(now=lambda: now)
    times.start_epoch(100, epochs_after=9)
    assert times.notice == "compiling"
    now = 50.0  # of compilation
    assert times.left(1) == (None, None)
    now = 60.0
    assert times.left(11) == (89.0, 89.0 + 9 * 100)
    for epoch, start in ((2, 200.0), (3, 320.0)):
        now = start
        times.start_epoch(100, epochs_after=10 - epoch)
        assert times.notice == ""
        times.left(0)
    now = 330.0
    assert times.left(10) == (90.0, 90.0 + 7 * 120)


def estimates(steps_per_second, validation=0.0, epochs=300, minutes=0.0, patience=0):
    """What is said in the first three epochs of 100 steps, by a clock that stands at 0 o'clock."""
    now, said = 0.0, []
    times = TimeLeft(now=lambda: now)
    estimate = DurationNotice(times, now=lambda: now)
    estimate.max_minutes, estimate.may_stop_early = minutes, patience > 0
    for epoch in (1, 2, 3):
        times.start_epoch(100, epochs_after=epochs - epoch)
        said += [(epoch, 0, line)] if (line := estimate.first_line()) else []
        now += 20 if epoch == 1 else 0  # compiles
        for step in range(1, 101):
            now += 1 / steps_per_second
            said += [(epoch, step, line)] if (line := estimate.line(step)) else []
        now += validation
    return said


@pytest.fixture
def utc(monkeypatch):
    """The process's time zone, which outlives the variable."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_long_run_says_once_how_long_it_takes(utc):
    said = estimates(steps_per_second=0.5)
    text = "about 17 h for 300 epochs (until Thu 16:40); Ctrl-C saves, the same command resumes"
    assert said == [(1, 4, text)]
    assert estimates(steps_per_second=60) == []  # 500 seconds
    ((epoch, step, line),) = estimates(steps_per_second=1000, epochs=90_000)
    assert (epoch, step) == (3, 0) and line.startswith("about 2.5 h for 89998 epochs")


def test_an_estimate_is_corrected_once(monkeypatch):
    """By the time of whole epochs: validation takes as long as the steps."""
    said = estimates(steps_per_second=0.5, validation=200.0)
    assert [(epoch, line[:25]) for epoch, _, line in said] == [
        (1, "about 17 h for 300 epochs"), (2, "about 33 h for 299 epochs"),
    ]  # fmt: skip
    said = estimates(steps_per_second=10, validation=10.0)  # of short epochs it waits for two
    assert [(epoch, line[:25]) for epoch, _, line in said] == [
        (1, "about 50 min for 300 epoc"), (3, "about 1.7 h for 298 epoch"),
    ]  # fmt: skip


def test_an_estimate_knows_what_may_end_a_run_before():
    ((_, _, line),) = estimates(steps_per_second=0.5, minutes=30.0, patience=3)
    assert line == "at most about 17 h for 300 epochs; config.max_minutes = 30 may end it earlier"


def test_a_long_wait_is_spoken_of(monkeypatch):
    monkeypatch.setattr(console_module, "WAITING_SECONDS", 0.05)
    pipe = io.StringIO()
    console = Console(pipe)
    with console.waiting("compiling"):
        time.sleep(0.5)
    lines = pipe.getvalue().splitlines()
    assert lines[0] == "compiling, 0 s so far (large networks take minutes)"
    assert 2 <= len(lines) <= 5  # each after twice the time of the one before
    with console.waiting("compiling"):
        pass
    assert pipe.getvalue().splitlines() == lines


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (clock(0.4), "0:00"),
        (clock(59.6), "1:00"),
        (clock(3725), "1:02:05"),
        (clock(None), "-"),
        (duration(1500), "25 min"),
        (duration(16.2 * 3600), "16 h"),
        (duration(3.2 * 86400), "3.2 days"),
        (percent(0.99999), "100.00%"),
        (percent(float("nan")), "-"),
        (loss(1234567.0), "1.235e+06"),
    ],
)
def test_words(word, said):
    assert word == said

"""A run's folder from someone else: nothing is written out of it, nothing it says is acted on."""

import io
import os
import shutil

import pytest
from mixed import as_older_code, edit
from outcomes import assert_one_line

from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.files.writing import write_text
from jaxcnn.reporting import evaluation_report
from jaxcnn.reporting.comparison import page, tables
from jaxcnn.reporting.comparison.page import write_comparison
from jaxcnn.reporting.comparison.records import everything
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.report import write_report
from jaxcnn.reporting.terminal.comparison_table import print_table
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.text import printable_json
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.run_config import read_config
from jaxcnn.workdir.run_files import read_part, refuse_links

HOSTILE = "\x1b[31mcat\x1b]0;x\x07\x9b2J"


@pytest.fixture
def workdir(trained_workdir, tmp_path):
    return shutil.copytree(trained_workdir, tmp_path / "run")


@pytest.mark.parametrize(
    "name",
    ["plots", "evaluation", "tensorboard", "checkpoints", "report.md", "metrics.csv", ".lock",
     "plots/accuracy.png", "config.json", "checkpoints/notes", "damaged_checkpoints"],
)  # fmt: skip
def test_a_link_out_of_the_folder_is_refused(name, workdir, tmp_path):
    place, outside = workdir / name, tmp_path / "outside"
    if place.is_dir() or place.exists():
        shutil.move(place, outside)
    else:
        outside.mkdir()
    place.symlink_to(outside)
    before = sorted(outside.rglob("*")) if outside.is_dir() else outside.read_bytes()
    config = read_config(workdir)
    for command in (
        lambda: load_trained(workdir),
        lambda: open_workdir(workdir, config).__enter__(),
        lambda: read_runs([workdir]),
    ):
        with pytest.raises(UserError, match=f"{name}: is a link out of the run's folder"):
            command()
    assert before == (sorted(outside.rglob("*")) if outside.is_dir() else outside.read_bytes())


def test_links_within_the_folder_and_to_it_are_fine(workdir, tmp_path):
    (workdir / "checkpoints" / "newest").symlink_to(workdir / "checkpoints")
    (tmp_path / "link").symlink_to(workdir)
    refuse_links(workdir)
    assert load_trained(tmp_path / "link").step


def test_evaluate_writes_nothing_outside(command, workdir, tmp_path):
    shutil.move(workdir / "plots", tmp_path / "elsewhere")
    (workdir / "plots").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "elsewhere").iterdir():
        path.unlink()
    done = command("evaluate", "--workdir=run", folder=tmp_path)
    assert done["code"] == 2
    assert_one_line(done["errors"], "run/plots: is a link out of the run's folder")
    assert not any((tmp_path / "elsewhere").iterdir())


def test_only_evaluate_reads_the_data_that_a_run_names_and_says_so(command, workdir, tmp_path):
    place = f"folder:{tmp_path}/private"
    edit(workdir / "config.json", lambda c: c | {"dataset": c["dataset"] | {"name": place}})
    assert load_trained(workdir).step  # as predict and export have it
    done = command("evaluate", "--workdir=run", folder=tmp_path)
    assert done["code"] == 2
    assert done["output"].startswith(f"reads the images of {place}")


def test_a_pipe_is_not_waited_for(workdir):
    os.mkfifo(workdir / "checkpoints" / "pipe")
    with pytest.raises(UserError, match="checkpoints/pipe: is not an ordinary file"):
        load_trained(workdir)


def test_a_link_in_a_file_s_place_is_replaced(tmp_path):
    (tmp_path / "outside").write_text("dear")
    (tmp_path / "report.md").symlink_to(tmp_path / "outside")
    write_text(tmp_path / "report.md", "new")
    assert (tmp_path / "outside").read_text() == "dear"
    assert (tmp_path / "report.md").read_text() == "new"


def test_control_characters_are_shown_and_not_acted_on(trained_workdir, tmp_path):
    workdir = as_older_code(trained_workdir, tmp_path / "run")
    edit(workdir / "evaluation" / "test.json", with_hostile_classes)
    edit(workdir / "environment.json", lambda found: found | {"machine": HOSTILE})
    scores = read_part(workdir, "evaluation/test.json")
    printed = io.StringIO()
    console = Console(printed)
    for part in evaluation_report.render(scores):
        console._rich.print(part)
    console.print(HOSTILE)
    texts = [printed.getvalue(), printable_json(scores), write_report(workdir).read_text()]
    for text in texts:
        assert not any(sign in text for sign in "\x1b\x07\x9b")
        assert "cat" in text


def with_hostile_classes(scores):
    return scores | {"classes": [row | {"name": HOSTILE} for row in scores["classes"]]}


def test_hostile_names_in_compare(trained_workdir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(page, "plot_section", lambda *_: {})
    workdir = as_older_code(trained_workdir, tmp_path / "run")
    edit(workdir / "config.json", lambda c: c | {"dataset": c["dataset"] | {"name": HOSTILE}})
    edit(workdir / "config.json", lambda c: c | {"model": {"name": HOSTILE}})
    edit(workdir / "evaluation" / "test.json", with_hostile_classes)
    sections, left_out = write_comparison([workdir], tmp_path / "out")
    assert left_out == []
    print_table(sections[0].dataset, tables.results_table(sections[0]))
    print(printable_json(everything(sections)))
    for text in (capsys.readouterr().out, (tmp_path / "out" / "comparison.md").read_text()):
        assert not any(sign in text for sign in "\x1b\x07\x9b")
        assert "cat" in text

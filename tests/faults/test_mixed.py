"""A run's folder that was partly restored, mixed with another's or edited: it is named, and
nothing is done with it."""

import io
import json
import shutil

import pytest
from mixed import OTHER, as_another_run, as_older_code, edit, edit_progress, replace
from outcomes import files_in

from jaxcnn.data.loading import load_data
from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.training.loop import make_loop
from jaxcnn.training.run import make_run
from jaxcnn.workdir import metrics_log, run_files
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.run_config import read_config


@pytest.fixture(scope="module")
def other(trained_workdir, tmp_path_factory):
    return as_another_run(trained_workdir, tmp_path_factory.mktemp("runs") / "other")


@pytest.fixture(scope="module")
def ready(trained_workdir):
    config = read_config(trained_workdir)
    return config, make_run(config, load_data(config))


@pytest.fixture
def workdir(trained_workdir, tmp_path):
    return shutil.copytree(trained_workdir, tmp_path / "run")


def resume(ready, workdir):
    """What `main` does before the first step; the step it goes on from."""
    config, run = ready
    with open_workdir(workdir, config):
        loop = make_loop(run, workdir, Console(io.StringIO()))
        loop.metrics.close()
        loop.saving.checkpoints.close()
        return loop.position.step


def refused(ready, workdir, *said):
    """The resume is refused in one line, and nothing in the folder is changed."""
    before = files_in(workdir)
    with pytest.raises(UserError) as error:
        resume(ready, workdir)
    assert all(part in str(error.value) for part in said), error.value
    assert "\n" not in str(error.value)
    assert files_in(workdir) == before


def test_its_own_files_are_accepted(ready, workdir):
    steps = run_files.checkpoint_steps(workdir)
    assert resume(ready, workdir) == steps[-1]
    names = ("dataset.json", "environment.json", "result.json", "evaluation/test.json")
    own = {json.loads((workdir / name).read_text())["run"] for name in names}
    own |= {run_files.read_progress(workdir, step)["run"] for step in steps}
    assert own == {run_files.read_identity(workdir).id} and len(own.pop()) == 32
    assert run_files.new_identity() != run_files.new_identity()


@pytest.mark.parametrize("place", ["newest", "oldest", "later"])
def test_another_run_s_checkpoint_is_refused(place, ready, workdir, other):
    oldest, newest = run_files.checkpoint_steps(workdir)
    step = {"newest": newest, "oldest": oldest, "later": newest}[place]
    target = workdir / "checkpoints" / str(step)
    if place == "later":  # the run itself was further back
        shutil.rmtree(target)
    replace(other / "checkpoints" / str(step), target)
    refused(ready, workdir, f"checkpoints/{step}: is not of the run of config.json")
    if place != "oldest":
        with pytest.raises(UserError, match=f"checkpoints/{step}: is not of the run of config"):
            load_trained(workdir)


NAMES = ["dataset.json", "environment.json", "result.json", "evaluation/test.json"]


@pytest.mark.parametrize("name", NAMES)
def test_another_run_s_file_is_refused(name, ready, workdir, other):
    replace(other / name, workdir / name)
    refused(ready, workdir, f"run/{name}: is not of the run of config.json")
    if name == "result.json":  # without which there is nothing to compare
        with pytest.raises(UserError, match=f"{name}: is not of the run of config.json"):
            read_runs([workdir])
    else:
        _, left_out = read_runs([workdir])
        assert f"{name}: is not of the run of config.json" in left_out[0]
    if name in ("dataset.json", "result.json"):
        with pytest.raises(UserError, match=f"{name}: is not of the run of config.json"):
            load_trained(workdir)


def test_another_run_s_config_is_refused(ready, workdir, other):
    replace(other / "config.json", workdir / "config.json")
    refused(ready, workdir, "dataset.json: is not of the run of config.json")
    with pytest.raises(UserError, match=r"environment.json: is not of the run of config.json"):
        load_trained(workdir)


def without(workdir):
    (workdir / "metrics.jsonl").unlink()


def cut(workdir):
    path = workdir / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))


def improved(workdir):
    path = workdir / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1]["accuracy"] = 0.999
    path.write_text("".join(map(metrics_log.json_line, rows)))


@pytest.mark.parametrize("change", [without, cut, improved])
def test_metrics_that_are_not_the_checkpoint_s_are_refused(change, ready, workdir):
    newest = run_files.checkpoint_steps(workdir)[-1]
    change(workdir)
    refused(ready, workdir, "metrics.jsonl: is ", f"checkpoints/{newest} was written with")
    runs, left_out = read_runs([workdir])
    assert runs[0].rows == [] and "metrics.jsonl" in left_out[0]
    (workdir / "result.json").unlink()  # as if it went on
    assert "metrics.jsonl" in read_runs([workdir])[1][0]


@pytest.mark.parametrize("change", [without, cut])
def test_so_are_those_of_a_run_of_older_code(change, ready, trained_workdir, tmp_path):
    workdir = as_older_code(trained_workdir, tmp_path / "run")
    change(workdir)
    with pytest.raises(UserError, match="metrics.jsonl: is"):
        resume(ready, workdir)


@pytest.mark.parametrize("name", ["dataset.json", "environment.json"])
def test_a_file_that_was_not_restored_is_named(name, workdir):
    assert run_files.missing_parts(workdir) == []
    (workdir / name).unlink()
    (line,) = run_files.missing_parts(workdir)
    assert f"{name} is missing" in line


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("anchor_epoch", -5), ("anchor_epoch", 10**9), ("anchor_step", 10**9), ("best_step", -1),
        ("anchor_step", -(10**9)), ("best_step", 10**9), ("best_epoch", 10**9),
        ("best_accuracy", 2.0), ("best_accuracy", "x"), ("epochs_without_gain", -1),
        ("global_batch_size", 0), ("global_batch_size", 10**9), ("global_batch_size", 1),
        ("seconds", -1), ("seconds", None), ("train_images", 0.5), ("resumed", 3),
        ("resumed", ["x"]), ("lowest_loss", True), ("run", 5), ("no_such_field", 1),
    ],
)  # fmt: skip
def test_edited_progress_is_not_believed(field, value, ready, workdir):
    """With its checksum edited too: the checkpoint is passed over, or the run refused."""
    older, newest = run_files.checkpoint_steps(workdir)
    edit_progress(workdir, newest, **{field: value})
    try:
        step = resume(ready, workdir)
    except UserError as error:
        assert f"checkpoints/{newest}" in str(error)
    else:
        assert step == older
        assert list((workdir / "damaged_checkpoints").glob(f"{newest}-*"))


def test_a_run_of_older_code_goes_on_and_gets_an_identity(ready, trained_workdir, tmp_path):
    workdir = as_older_code(trained_workdir, tmp_path / "run")
    assert load_trained(workdir).step and read_runs([workdir])[1] == []
    assert resume(ready, workdir) == run_files.checkpoint_steps(workdir)[-1]
    identity = run_files.read_identity(workdir)
    assert identity.id and identity.had_none
    assert resume(ready, workdir)
    assert run_files.read_identity(workdir) == identity
    edit(workdir / "environment.json", lambda found: found | {"run": OTHER})
    refused(ready, workdir, "environment.json: is not of the run of config.json")


def test_a_run_with_an_identity_takes_no_files_without(ready, trained_workdir, workdir, tmp_path):
    older = as_older_code(trained_workdir, tmp_path / "older")
    newest = run_files.checkpoint_steps(workdir)[-1]
    replace(older / "checkpoints" / str(newest), workdir / "checkpoints" / str(newest))
    refused(ready, workdir, f"checkpoints/{newest}: is not of the run of config.json")


def test_a_newest_checkpoint_that_is_gone_is_missed(trained_workdir, tmp_path):
    copy = shutil.copytree(trained_workdir, tmp_path / "run")
    steps = sorted((copy / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    shutil.rmtree(steps[-1])
    with pytest.raises(UserError, match=f"newest checkpoint is of step {steps[0].name}.* is gone"):
        load_trained(copy)


def test_an_edited_scale_and_an_edited_result_are_named(trained_workdir, tmp_path):
    copy = shutil.copytree(trained_workdir, tmp_path / "run")
    for name, field, value, read in (
        ("dataset.json", "pixel_scale", 1.0, load_trained),
        ("result.json", "test_accuracy", 0.999, lambda folder: read_runs([folder])[1]),
    ):
        path = copy / name
        before = path.read_text()
        path.write_text(json.dumps(json.loads(before) | {field: value}))
        try:
            said = str(read(copy))
        except UserError as error:
            said = str(error)
        assert name in said and ("is not the one" in said)
        path.write_text(before)

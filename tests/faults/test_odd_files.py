"""Files of a run with anything in them: each command says in one line what is wrong, and where."""

import json
import random
import shutil

import pytest
from mixed import as_older_code
from odd import CONTENTS, PLACES, VALUES
from outcomes import assert_one_line, few_or_many

from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.reporting.comparison import page
from jaxcnn.reporting.comparison.page import write_comparison
from jaxcnn.reporting.report import write_report
from jaxcnn.workdir import run_files
from jaxcnn.workdir.checkpoints import Checkpoints
from jaxcnn.workdir.folder import open_workdir
from jaxcnn.workdir.run_config import read_config

OBJECTS = ("an empty object", "control characters")
JSON_FILES = (
    "config.json", "dataset.json", "environment.json", "result.json", "evaluation/test.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def older(trained_workdir, tmp_path_factory):
    """A run whose files need not name each other, so that a file's own faults show."""
    return as_older_code(trained_workdir, tmp_path_factory.mktemp("runs") / "older")


@pytest.fixture
def workdir(older, tmp_path):
    return shutil.copytree(older, tmp_path / "run")


@pytest.fixture
def ask(older, tmp_path, monkeypatch):
    """Opens a folder as the commands do, without the work; gives what compare, report and resume
    say against it, a line each or none."""
    config = read_config(older)
    monkeypatch.setattr(page, "plot_section", lambda *_: {})

    def resume(workdir):
        with open_workdir(workdir, config):
            pass

    def ask(workdir):
        said = []

        def compare(workdir):
            left_out = write_comparison([older, workdir], tmp_path / "out")[1]
            # so a sound one is left out
            said.extend(line for line in left_out if "repeats the recipe" not in line)

        for command in (compare, write_report, resume):
            try:
                command(workdir)
            except UserError as error:
                said.append(str(error))
        assert all(str(workdir) in line and "\n" not in line for line in said), said
        return said

    return ask


def test_nothing_is_said_of_a_sound_run(workdir, ask):
    assert ask(workdir) == []


@pytest.mark.parametrize("file", JSON_FILES)
def test_odd_contents(file, workdir, ask):
    """Each command refuses what is no object. An object lacks fields, which not all ask for."""
    for name, content in CONTENTS.items():
        (workdir / file).write_bytes(content)
        said = [line for line in ask(workdir) if line.startswith(f"{workdir / file}: ")]
        if name not in OBJECTS:
            assert len(said) == 3, (name, said)
        elif file != "dataset.json":  # in which older runs have none of them
            assert said, name


def test_odd_rows(workdir, ask):
    """Of metrics: a whole line is refused, the last one may be cut."""
    for name, content in CONTENTS.items():
        for line in (content, content + b"\n"):
            (workdir / "metrics.jsonl").write_bytes(line)
            said = ask(workdir)
            is_whole = line.endswith(b"\n") and name != "nothing"
            if is_whole or name in OBJECTS:
                assert len(said) == 2, (line[:50], said)  # a resume drops the rows


@pytest.mark.parametrize("file", [*JSON_FILES, "metrics.jsonl"])
def test_odd_places(file, workdir, ask):
    for put in PLACES:
        (workdir / file).unlink()
        put(workdir / file)
        assert ask(workdir), put
        (workdir / file).rmdir() if put.__name__ == "put_folder" else (workdir / file).unlink()
        (workdir / file).write_bytes(b"")


@few_or_many(12, 1)
@pytest.mark.parametrize("file", [*JSON_FILES, "metrics.jsonl"])
def test_odd_values(file, count, workdir, ask):
    """Every field with every value, or every twelfth: it is refused by name, or does no harm."""
    path, tried, refused = workdir / file, 0, 0
    good = json.loads(
        path.read_text().splitlines()[0] if file == "metrics.jsonl" else path.read_text()
    )
    for index, field in enumerate([*good, "another"]):
        for value in VALUES[index % count :: count]:
            path.write_text(json.dumps(good | {field: value}) + "\n")
            tried, refused = tried + 1, refused + bool(ask(workdir))
    assert refused > tried / 4


@pytest.mark.parametrize("file", ["config.json", "dataset.json", "result.json"])
def test_odd_contents_for_those_who_ask_the_network(file, workdir):
    accepted = OBJECTS if file == "result.json" else ()
    for name in CONTENTS.keys() - accepted:  # of the result one field is asked for, if there
        (workdir / file).write_bytes(CONTENTS[name])
        with pytest.raises(UserError, match=str(workdir)):
            load_trained(workdir)


def checkpoint_files(workdir):
    """The JSON files of the newest checkpoint, ours and Orbax's."""
    step = run_files.checkpoint_steps(workdir)[-1]
    files = (path for path in (workdir / "checkpoints" / str(step)).rglob("*") if path.is_file())
    return sorted(path for path in files if path.read_bytes()[:1] == b"{")


@few_or_many(12, 400)
def test_odd_checkpoints(count, trained_workdir, tmp_path):
    """Contents, and values of fields, that Orbax meets too."""
    rng, refused = random.Random(count), 0
    for number in range(count):
        workdir = shutil.copytree(trained_workdir, tmp_path / str(number))
        file = rng.choice(checkpoint_files(workdir))
        found = json.loads(file.read_text())
        odd = found | {rng.choice(list(found) or ["x"]): rng.choice(VALUES)}
        file.write_bytes(rng.choice([*CONTENTS.values(), *[json.dumps(odd).encode()] * 20]))
        refused += is_refused(load_trained, workdir)
        refused += is_refused(open_to_train_on, workdir)
        shutil.rmtree(workdir)
    print(f"{refused} of {2 * count} refused")
    assert refused


def open_to_train_on(workdir):
    Checkpoints(workdir).close()


def is_refused(open_folder, workdir):
    """Whether a folder cannot be opened, with an error that names it."""
    try:
        open_folder(workdir)
    except UserError as error:
        assert str(workdir) in str(error)
        return True
    return False


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("compare", ["run"]), ("evaluate", ["--workdir=run"]), ("export", ["--workdir=run"]),
     ("predict", ["--workdir=run", "picture.png"]), ("main", ["--workdir=run"])],
)  # fmt: skip
def test_as_a_user_types_it(name, arguments, command, trained_workdir, tmp_path):
    kept = shutil.ignore_patterns("checkpoints", "tensorboard", "plots")
    shutil.copytree(trained_workdir, tmp_path / "run", ignore=kept)
    (tmp_path / "run" / "config.json").write_bytes(CONTENTS["control characters"])
    done = command(name, *arguments, folder=tmp_path)
    assert done["code"] == 2, done
    assert_one_line(done["errors"], "config.json")
    assert "\x1b" not in done["errors"] and "\x9b" not in done["errors"]

"""Config files, command lines and runs' folders with anything in them: one line, exit code 2."""

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes import assert_one_line

GOOD = """
from ml_collections import ConfigDict
from jaxcnn.config.defaults import default_config
from jaxcnn.models import model_config

def get_config(variant="one"):
    config = default_config()
    config.model = model_config("lenet")
    config.num_epochs = 3
    config.optimizer.update(name="momentum", learning_rate=0.01)
    config.schedule.boundaries = (2.0, 3.0)
    config.augment.crop = 2
    return config
"""
TOKENS = (
    "(", ")", ":", "'", '"', "#", "\\", "\0", "\t", "é", "💥", "=", ",", "{}", "[]", "()", "None",
    "True", "-1", "1e999", "10**400", "float('nan')", "lambda: 0", "return", "raise", "config",
    "config.model", "variant", "default_config()", "ConfigDict()", "print", "import", "0",
)  # fmt: skip
WRONG = (
    "",
    "config = 1",
    "get_config = 5",
    "def get_config(): return None",
    "def get_config(): return {'num_epochs': 3}",
    "def get_config(a, b): return a",
    "def get_config(): raise ValueError('two\\nlines')",
    "def get_config(): raise KeyError",
    "def get_config(): return get_config()",
    "def get_config(): return open('nothing')",
    "import nothing_of_that_name",
    "def get_config(:",
    "\0",
    "from jaxcnn.errors import UserError\ndef get_config(): raise UserError('no')",
    "from ml_collections import ConfigDict\ndef get_config(): return ConfigDict({'dataset': 5})",
    "from ml_collections import ConfigDict\ndef get_config(): return ConfigDict()",
)
VALUES = ("", "-1", "0", "1e999", "nan", "None", "True", "()", "(1,", "[]", "{}", "x" * 500, "é")
EDITS = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 12), st.sampled_from(TOKENS)), min_size=1,
    max_size=4,
)  # fmt: skip
FIELDS = (
    "num_epochs", "optimizer.learning_rate", "schedule.boundaries", "model.name", "model", "seed",
    "augment.crop", "dataset.image_size", "checkpoint", "parallel",
)  # fmt: skip
LAST = "--config.dataset.name=nothing"  # so that what is right in spite of all trains nothing


FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", 6)),  # by hand 150
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_refused(done, folder, *said):
    """With one line, soon, and nothing was written."""
    assert done["code"] == 2, done
    assert done["output"] == ""
    assert_one_line(done["errors"], *said)
    assert not any(folder.iterdir())


@pytest.fixture
def empty(tmp_path):
    """A folder to be in."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def refuses_config(command, tmp_path, empty, content):
    file = tmp_path / "config.py"
    file.write_bytes(content)
    assert_refused(command("main", f"--config={file}", LAST, folder=empty), empty)


def mutated(text, edits):
    for position, length, token in edits:
        start = position % (len(text) + 1)
        text = text[:start] + token + text[start + length :]
    return text


@FUZZ
@given(edits=EDITS)
def test_mutated_configs(command, tmp_path, empty, edits):
    refuses_config(command, tmp_path, empty, mutated(GOOD, edits).encode())


@pytest.mark.slow
@FUZZ
@given(
    field=st.sampled_from(FIELDS),
    value=st.sampled_from(VALUES) | st.text(st.characters(codec="utf-8"), max_size=20),
    edits=st.just([]) | EDITS,
)
def test_mutated_command_lines(command, empty, field, value, edits):
    argument = mutated(f"--config.{field}={value}", edits).replace("\0", "")
    assert_refused(command("main", argument, LAST, folder=empty), empty)


def test_config_files_that_are_none(command, tmp_path, empty):
    for text in WRONG:
        refuses_config(command, tmp_path, empty, text.encode())
    for content in (b"\xff\xfe\x00", bytes(range(256)), b"\x7fELF" * 100):
        refuses_config(command, tmp_path, empty, content)
    for place in (tmp_path, tmp_path / "nothing.py", "/dev/null", ""):
        assert_refused(command("main", f"--config={place}", LAST, folder=empty), empty)


def test_other_commands_with_no_run(command, tmp_path, empty):
    (tmp_path / "picture.png").write_bytes(b"")
    for line in (
        ["evaluate", f"--workdir={tmp_path}"],
        ["predict", f"--workdir={tmp_path}", f"{tmp_path}/picture.png"],
        ["export", f"--workdir={tmp_path}/nowhere"],
        ["compare", str(tmp_path)],
        ["compare", f"{tmp_path}/nowhere"],
        ["find_lr", "--config.seed=x"],
        ["summary", "--config=/dev/null"],
        ["prepare", "nothing"],
        ["prepare", "cifar10", f"--archives={tmp_path}"],
        ["main", f"--init_from={tmp_path}"],
    ):
        assert_refused(command(*line, folder=empty), empty)


@pytest.mark.slow
@FUZZ
@given(edits=EDITS, name=st.integers(0, 100))
def test_compare_with_mutated_files(command, tmp_path, trained_workdir, edits, name):
    """What of a run can be read is shown, and what not is named."""
    run, out = tmp_path / "run", tmp_path / "out"
    for folder in (run, out):
        shutil.rmtree(folder, ignore_errors=True)
    kept = shutil.ignore_patterns("checkpoints", "tensorboard", "plots")
    shutil.copytree(trained_workdir, run, ignore=kept)
    files = sorted([*run.glob("*.json*"), *run.glob("evaluation/*.json")])
    file = files[name % len(files)]
    file.write_text(mutated(file.read_text(), edits))
    done = command("compare", str(run), f"--out={out}", folder=tmp_path)
    assert done["code"] in (0, 1, 2), done
    assert "Traceback" not in done["errors"]
    assert done["code"] == 0 or done["errors"].strip()

"""The registration of a user's parts: names, files, digests, and mistakes in one line."""

import re
import sys

import pytest

import jaxcnn
from jaxcnn.config.files import register_file
from jaxcnn.config.flag import register_first
from jaxcnn.config.parts import REGISTRIES
from jaxcnn.errors import UserError
from jaxcnn.evaluation.metrics import try_metrics

pytestmark = pytest.mark.usefixtures("own_parts")
LOSS = """
import jaxcnn

@jaxcnn.loss("mine")
def mine(scores, targets):
    return ((scores - targets) ** 2).mean(axis=-1)
"""


def write(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_file_registers_parts_with_its_digest(tmp_path):
    path = write(tmp_path, LOSS)
    register_file(path)
    part = REGISTRIES["loss"].parts["mine"]
    assert (part.kind, part.name, part.file, part.line) == ("loss", "mine", path, 4)
    assert str(part) == f"loss 'mine' ({path}:4)"
    write(tmp_path, LOSS + "# changed")
    register_file(path)
    assert REGISTRIES["loss"].parts["mine"].digest != part.digest


def test_a_cell_of_a_notebook_may_run_again():
    code = compile(LOSS, "<cell>", "exec")
    exec(code, {})
    exec(code, {})
    part = REGISTRIES["loss"].parts["mine"]
    assert part.file == "" and str(part) == "loss 'mine' (a notebook or session:4)"


def test_two_files_with_one_name_are_named(tmp_path):
    register_file(write(tmp_path, LOSS))
    with pytest.raises(UserError, match=r"other.py:4\): .*mine.py:4 has this name too"):
        register_file(write(tmp_path, LOSS, "other.py"))


def one_argument(a):
    return a


@pytest.mark.parametrize(
    ("kind", "name", "function", "text"),
    [
        ("network", "lenet", one_argument, "jaxcnn has a network of this name"),
        ("dataset", "cifar10", lambda: None, "jaxcnn has a dataset of this name"),
        ("augmentation", "crop", lambda image, key: image, "jaxcnn has an augmentation of this"),
        ("optimizer", "adam", lambda rate, config: None, "jaxcnn has an optimizer of this name"),
        ("schedule", "cosine", lambda config, **_: None, "jaxcnn has a schedule of this name"),
        ("loss", "cross_entropy", lambda scores, targets: 0, "jaxcnn has a loss of this name"),
        ("loss", "mine", 5, "must be a function, not an int"),
        ("loss", "mine", one_argument, "must take scores, targets"),
        ("metric", "mine", lambda: 0, "must take labels, probabilities"),
        ("dataset", "mine", one_argument, "must take no argument"),
        ("schedule", "mine", one_argument, "must take config, num_steps=…, steps_per_epoch=…"),
        ("network", "mine", lambda: [], "must take num_classes"),
        ("network", "mine", lambda n, width: [], "must take num_classes; all others need"),
        ("network", "mine", lambda n, norm=None: [], "option norm needs a default: a number"),
        ("network", "mine", lambda n, seed=0: [], "option seed is an argument of jaxcnn.build"),
        ("network", "", one_argument, "'' is no name"),
        ("dataset", "folder:x", lambda: None, "'folder:x' is no name"),
        ("metric", one_argument, None, 'write @jaxcnn.metric("NAME"), with parentheses'),
        ("metric", 5, one_argument, "write @jaxcnn.metric(NAME) with a name of letters"),
    ],
)
def test_a_wrong_registration_is_one_line(kind, name, function, text):
    with pytest.raises(UserError, match=re.escape(text)) as raised:
        getattr(jaxcnn, kind)(name)(function)
    assert "\n" not in str(raised.value)
    if isinstance(name, str) and "is no name" not in text:
        assert f"{kind} {name!r} ({__file__}:" in str(raised.value)


def test_an_error_in_a_file_is_one_line_with_its_place(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        register_file("nothing.py")
    with pytest.raises(UserError, match="mine.py: line 2: ZeroDivisionError"):
        register_file(write(tmp_path, "x = 0\n1 / x"))
    with pytest.raises(UserError, match="mine.py: line 2: the file ends the program; remove"):
        register_file(write(tmp_path, "import sys\nsys.exit()"))
    without_name = LOSS.replace('("mine")', "")
    with pytest.raises(UserError, match=r"mine.py:4\): write @jaxcnn.loss\("):
        register_file(write(tmp_path, without_name))


def test_two_parts_of_one_name_in_a_file_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"mine.py:10\): the file has two of this name"):
        register_file(
            write(tmp_path, LOSS + LOSS.replace("import jaxcnn", "").replace("def mine", "def b"))
        )
    register_file(write(tmp_path, LOSS + LOSS.replace('"mine"', '"other"')))


def test_two_built_in_parts_of_one_name_are_a_mistake_of_ours():
    for kind, name in (("loss", "cross_entropy"), ("optimizer", "nesterov")):
        before = REGISTRIES[kind][name]
        with pytest.raises(ValueError, match=f"'{name}' names two parts of the kind {kind}"):
            REGISTRIES[kind].built_in(name)(lambda: None)
        assert REGISTRIES[kind][name] is before


def test_a_part_that_ends_the_program_is_named():
    jaxcnn.metric("mine")(lambda labels, probabilities: sys.exit("bye"))
    with pytest.raises(UserError, match=r"metric 'mine' .*: SystemExit: bye"):
        try_metrics(["mine"], "abcd")


@pytest.mark.parametrize(
    ("arguments", "ordered"),
    [
        (["--config=a", "--register=b"], ["--register=b", "--config=a"]),
        (["x", "--register", "b", "-register=c"], ["--register", "b", "-register=c", "x"]),
        (["--json", "--", "--register=b"], ["--json", "--", "--register=b"]),
        (["--register"], ["--register"]),
    ],
)
def test_files_are_registered_before_a_config_is_read(arguments, ordered):
    assert register_first(["program", *arguments]) == ["program", *ordered]

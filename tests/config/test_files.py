"""Configs by a recipe's name, by a path, and from a run."""

import json
import sys

import pytest

import jaxcnn
from jaxcnn.config import load_config
from jaxcnn.config.defaults import to_dict
from jaxcnn.config.files import config_name
from jaxcnn.errors import UserError

TWO = """
from jaxcnn.config import choose, default_config

VARIANTS = {"small": 1, "large": 2}

def get_config(variant="small"):
    config = default_config()
    config.num_epochs = choose(variant, VARIANTS)
    return config
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder that is no checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_recipe_by_its_name():
    assert load_config("googlenet").model.name == "googlenet"
    with pytest.raises(UserError, match="no recipe of this name"):
        load_config("__init__")
    assert load_config("lenet").dataset.name == "cifar10"
    assert load_config("lenet:cifar100").dataset.name == "cifar100"
    assert config_name("lenet:cifar100") == "lenet-cifar100"


def test_a_config_file(elsewhere):
    (elsewhere / "two.py").write_text(TWO)
    assert load_config("two.py").num_epochs == 1
    assert load_config(elsewhere / "two.py").num_epochs == 1
    assert load_config("two.py:large").num_epochs == 2
    assert config_name("./two.py:large") == "two-large"


def test_a_config_file_imports_the_files_beside_it(elsewhere, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = elsewhere / "folder"
    folder.mkdir()
    (folder / "beside_two.py").write_text("from json import loads\nEPOCHS = loads('7')\n")
    (folder / "json.py").write_text("raise AssertionError('it hides a module')\n")
    text = TWO.replace("choose(variant, VARIANTS)", "beside_two.EPOCHS")
    (folder / "two.py").write_text("import beside_two\n" + text)
    assert load_config("folder/two.py").num_epochs == 7
    load_config("lenet")
    assert not any(path.endswith("configs") for path in sys.path)


@pytest.mark.parametrize("in_working_directory", [False, True])
def test_two_files_of_one_name_beside_two_configs_are_named(
    elsewhere, monkeypatch, in_working_directory
):
    first, second = elsewhere / "first", elsewhere / "second"
    if in_working_directory:
        first = elsewhere
    monkeypatch.setattr(sys, "path", [str(first), *sys.path])
    name = f"beside_both_{in_working_directory}"
    for folder, epochs in ((first, 3), (second, 9)):
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(f"EPOCHS = {epochs}\n")
        text = TWO.replace("choose(variant, VARIANTS)", f"{name}.EPOCHS")
        (folder / "mine.py").write_text(f"import {name}\n{text}")
    assert load_config(first / "mine.py").num_epochs == 3
    with pytest.raises(UserError) as error:
        load_config(second / "mine.py")
    beside = [folder / f"{name}.py" for folder in (first, second)]
    assert str(error.value) == (
        f"{second / 'mine.py'}: imports {name}, which is {beside[0]} in this process and not "
        f"{beside[1]}; rename one of them"
    )
    assert load_config(first / "mine.py").num_epochs == 3


def test_a_config_may_have_the_name_of_a_package(elsewhere, monkeypatch):
    for folder in ("epochs_of_package", "mine"):
        (elsewhere / folder).mkdir()
    (elsewhere / "epochs_of_package" / "__init__.py").write_text("EPOCHS = 7\n")
    monkeypatch.setattr(sys, "path", [str(elsewhere), *sys.path])
    text = TWO.replace("choose(variant, VARIANTS)", "epochs_of_package.EPOCHS")
    path = elsewhere / "mine" / "epochs_of_package.py"
    path.write_text(f"import epochs_of_package\n{text}")
    assert load_config(path).num_epochs == 7


def test_a_file_that_exists_goes_before_a_recipe(elsewhere):
    (elsewhere / "lenet").write_text(TWO)
    (elsewhere / "digits").mkdir()
    assert load_config("lenet:large").num_epochs == 2
    assert load_config("digits").dataset.name == "digits"


def test_a_path_in_the_home_directory(elsewhere, monkeypatch):
    monkeypatch.setenv("HOME", str(elsewhere))
    (elsewhere / "two.py").write_text(TWO)
    assert load_config("~/two.py:large").num_epochs == 2


@pytest.mark.parametrize("name", ["speedrun", "mnist:bn_dropout"])
def test_the_config_of_a_run(elsewhere, name):
    config = load_config(name)
    config.schedule.update(name="step", boundaries=(2.5, 4))
    (elsewhere / "runs").mkdir()
    saved = to_dict(config) | {"run": {"id": "a", "had_none": False}}
    (elsewhere / "runs" / "config.json").write_text(json.dumps(saved))
    assert load_config("runs/config.json") == config
    assert config_name("runs/config.json") == "runs-again"


def test_fields_that_an_older_run_lacks(elsewhere):
    saved = to_dict(load_config("digits"))
    del saved["holdout"]
    (elsewhere / "config.json").write_text(json.dumps(saved))
    assert load_config("config.json").holdout == "random"


def test_a_config_can_be_changed():
    config = load_config("lenet")
    config.num_epochs = 3
    assert load_config("lenet").num_epochs != 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "the config has no name"),
        ("lenett", "no recipe of this name; did you mean lenet"),
        ("lenet:imagenet", "no variant 'imagenet'; allowed is one of cifar10, cifar100"),
        ("digits:x", "cannot be called with the variant 'x'"),
        ("configs/lenet.py", "there is no such file; the recipe is named lenet"),
        ("nothing.json", "nothing.json: there is no such config file"),
        ("/tmp", "/tmp: is a folder"),
        ("gs://bucket/config.py", "is an address"),
    ],
)
def test_a_config_that_is_not_there(name, text):
    with pytest.raises(UserError, match=text):
        load_config(name)


@pytest.mark.parametrize(
    ("group", "name", "value", "line"),
    [
        ("", "num_epochs", 2.5, "num_epochs = 2.5: is float; the field takes int"),
        ("augment", "extra", "noise", "extra = 'noise': is str; the field takes tuple"),
    ],
)
def test_a_value_of_another_type_is_one_line(elsewhere, group, name, value, line):
    (elsewhere / "config.json").write_text(json.dumps(to_dict(load_config("lenet"))))
    for config in (jaxcnn.default_config(), load_config("config.json")):
        copy = config.copy_and_resolve_references()
        with pytest.raises(UserError, match=f"^{line}$"):
            setattr(copy[group] if group else copy, name, value)
        with pytest.raises(TypeError, match=line):  # as any ConfigDict
            (copy[group] if group else copy).update({name: value})
        assert copy == config
    with pytest.raises(UserError, match=r"is str; model is a group of .*did you mean model.name\?"):
        config.model = "vgg16"
    config.optimizer.learning_rate = 1
    assert config.optimizer.learning_rate == 1.0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "wrong.py: has no function get_config"),
        ("def get_config(): return 5", "must return a ConfigDict, not int"),
        ("def get_config(a): return a", "cannot be called with no variant"),
        ("\ndef get_config():\n  return 1 / 0", "wrong.py: line 3: ZeroDivisionError: division"),
        ("def get_config(): raise ValueError('two\\nlines')", "line 1: ValueError: two lines"),
        ("x = 1\ndef get_config(:", "wrong.py: line 2: SyntaxError: invalid syntax"),
        ("import nothing_of_that_name", "line 1: ModuleNotFoundError: No module named"),
        ("def get_config(): return get_config()", "line 1: RecursionError"),
        (
            "import jaxcnn\n\n\ndef get_config():\n    jaxcnn.default_config().num_epochs = 2.5",
            "line 5: num_epochs = 2.5: is float; the field takes int",
        ),
    ],
)
def test_an_error_in_a_config_file_is_one_line_with_its_place(elsewhere, content, text):
    (elsewhere / "wrong.py").write_text(content)
    with pytest.raises(UserError, match=text) as raised:
        load_config("wrong.py")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", ["[]", "{", '{"dataset": 5}', '{"num_epochs": "x"}', ""])
def test_a_json_file_that_is_no_config(elsewhere, content):
    (elsewhere / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config.json: is not (JSON|the config of a run)"):
        load_config("config.json")

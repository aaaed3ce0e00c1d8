"""The command `jaxcnn` and its sub-commands; the package's metadata agree with the checkout."""

import re
import subprocess
import sys
import tomllib

import pytest
from commands import ROOT
from outcomes import assert_one_line

import jaxcnn
from jaxcnn import __main__ as program
from jaxcnn.config.defaults import to_dict
from jaxcnn.config.files import load_config
from jaxcnn.files.writing import write_json

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the program in this process; gives exit code, stdout and stderr."""
    monkeypatch.setattr(jaxcnn, "end_at_ctrl_c", lambda: None)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["jaxcnn", *arguments])
        return program.main() or 0, *capsys.readouterr()

    return call


def test_an_import_is_quick_and_starts_no_jax():
    """The time is of each module by itself, so that other work on the machine counts little."""
    code = (
        "import sys, jaxcnn, jaxcnn.__main__; "
        "print(*{'jax', 'flax', 'numpy', 'absl', 'ml_collections'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True
    )
    assert done.stdout == "\n"
    (microseconds,) = re.findall(r"\| +(\d+) \| jaxcnn\n", done.stderr)
    assert int(microseconds) < 100_000


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help_lists_the_commands(call, flag):
    code, output, errors = call(flag)
    assert (code, errors) == (0, "")
    for name in ("train", "evaluate", "predict", "compare", "prepare", "summary", "export"):
        assert re.search(rf"^  {name} +[A-Z].*\.$", output, re.MULTILINE)
    assert call()[::2] == (2, output)


def test_every_command_is_a_module():
    for module, _ in program._COMMANDS.values():
        assert (ROOT / "jaxcnn" / f"{module}.py").exists()


def test_the_version(call):
    assert call("--version") == (0, f"jaxcnn {jaxcnn.__version__}\n", "")
    assert "version" in PROJECT["dynamic"]
    assert f"\n## {jaxcnn.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("trian", "there is no command 'trian'; did you mean train?"),
        ("xyz", "there is no command 'xyz'; jaxcnn --help lists them"),
        ("--config=lenet", "such as in jaxcnn train --config=lenet"),
    ],
)
def test_a_command_that_is_none(call, argument, text):
    code, output, errors = call(argument)
    assert (code, output) == (2, "")
    assert_one_line(errors, text)


def test_a_command_gets_the_other_arguments(command, tmp_path):
    done = command("__main__", "summary", "--config=lenet:cifar100", "--json", folder=tmp_path)
    assert (done["code"], done["errors"]) == (0, "")
    assert done == command("summary", "--config=lenet:cifar100", "--json", folder=tmp_path)
    for name in ("find_lr", "find-lr"):
        done = command("__main__", name, folder=tmp_path)
        assert done["code"] == 2
        assert_one_line(done["errors"], "give --config=FILE")


def test_help_of_a_command(command, tmp_path):
    done = command("__main__", "train", "--help", folder=tmp_path)
    assert (done["code"], done["errors"]) == (0, "")
    assert "--workdir" in done["output"] and "--config.num_epochs=40" in done["output"]
    assert "Passes over the training images" in done["output"]


def test_a_run_s_config_with_another_value(command, tmp_path):
    write_json(tmp_path / "config.json", to_dict(load_config("mnist:bn_dropout")))
    outputs = []
    for config in ("config.json", "mnist:bn_dropout"):
        done = command("summary", f"--config={config}", "--config.seed=-1", folder=tmp_path)
        assert_one_line(done["errors"], "config.seed = -1: allowed is at least 0")
        network = "--config.model.name=mnist_vanilla"
        outputs.append(command("summary", f"--config={config}", network, folder=tmp_path))
    assert outputs[0] == outputs[1] and "mnist_vanilla" in outputs[0]["output"]


def test_constraints_hold_what_the_project_requires():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if not line.startswith("#")}
    required = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    names = {re.split(r"[<>=\[]", text)[0].lower().replace("_", "-") for text in required}
    assert names - {"jaxcnn"} <= pinned  # an extra may name others

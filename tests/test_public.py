"""`import jaxcnn`: its public names, and how little it loads."""

import subprocess
import sys

import pytest

import jaxcnn

PUBLIC = (
    "Dataset", "StopTraining", "__version__", "compare_runs", "default_config", "load",
    "load_config", "load_dataset", "train", "tune_host",
)  # fmt: skip
IMPORT = """
import sys
import jaxcnn
print(*{"jax", "numpy", "flax", "absl"} & set(sys.modules))
"""


def test_the_import_loads_no_jax():
    """How long it takes is measured in `commands/test_main_command.py`."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there_and_listed(name):
    assert name in dir(jaxcnn)
    assert getattr(jaxcnn, name).__doc__


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = jaxcnn.trian

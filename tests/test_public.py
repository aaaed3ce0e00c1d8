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
import sys, time
start = time.perf_counter()
import jaxcnn
seconds = time.perf_counter() - start
print(seconds, not {"jax", "numpy", "flax", "absl"} & set(sys.modules))
"""


def test_the_import_is_quick_and_loads_no_jax():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    seconds, is_light = done.stdout.split()
    assert float(seconds) < 0.5 and is_light == "True", done.stderr  # 0.01 s on an idle machine


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there_and_listed(name):
    assert name in dir(jaxcnn)
    assert getattr(jaxcnn, name).__doc__


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = jaxcnn.trian

"""The generated pages are current, and the Python of the pages runs."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", GENERATE["PAGES"])
def test_a_generated_page_is_current(name):
    page = (ROOT / "docs" / name).read_text()
    assert page == GENERATE["PAGES"][name](), "run `python docs/generate.py`"


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("page", ["README.md", "docs/python.md", "docs/performance/cpu.md"])
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    blocks = PYTHON.findall((ROOT / page).read_text())
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)

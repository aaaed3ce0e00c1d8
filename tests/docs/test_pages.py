"""The Python of the documentation's pages runs as it stands, and so do the examples."""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = {
    str(page.relative_to(ROOT)): blocks
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    if (blocks := PYTHON.findall(page.read_text()))
}


@pytest.fixture
def elsewhere(own_parts, tmp_path, monkeypatch):
    """A folder of its own; the parts that a page registers are forgotten after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))


@pytest.mark.usefixtures("undrawn", "elsewhere")
@pytest.mark.parametrize(
    "page",
    [
        page if page == "README.md" else pytest.param(page, marks=pytest.mark.slow)
        for page in BLOCKS
    ],
)
def test_the_python_of_a_page_runs(page):
    names: dict[str, object] = {"__name__": "__main__"}
    for block in BLOCKS[page]:
        exec(compile(block, page, "exec"), names)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("name", ["own_layer", "own_loop"])
def test_an_example_runs(name, monkeypatch, capsys):
    arguments = {"own_loop": ["lenet", "1"]}.get(name, [])
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    assert capsys.readouterr().out

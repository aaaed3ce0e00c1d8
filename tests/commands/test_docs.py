"""The generated pages are current."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.mark.parametrize("name", GENERATE["PAGES"])
def test_a_generated_page_is_current(name):
    page = (ROOT / "docs" / name).read_text()
    assert page == GENERATE["PAGES"][name](), "run `python docs/generate.py`"


def test_the_pictures_of_the_page_of_classic_networks_are_there():
    names = re.findall(r"\]\((images/[^)]*)\)", (ROOT / "docs" / "classic.md").read_text())
    assert names and all((ROOT / "docs" / name).is_file() for name in names)

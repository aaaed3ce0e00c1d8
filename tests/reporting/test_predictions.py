"""Predictions as a table and as a grid: any number, any name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.errors import UserError
from jaxcnn.evaluation.predictions import TopClasses
from jaxcnn.reporting.figures.prediction_grid import check_grid, draw_grid
from jaxcnn.reporting.terminal.prediction_table import print_table


def prediction(name, *, classes=("cat", "dog"), shape=(8, 8, 3)):
    return TopClasses(Path(name), np.zeros(shape, np.uint8), classes, (0.75, 0.25))


def test_the_table_shows_names_as_they_are(capsys):
    print_table([prediction("[red]a\x1b[31m\n\udcff.png", classes=("[b]cat", "dog"))])
    lines = capsys.readouterr().out.split("\n")
    assert "\x1b" not in "".join(lines)
    (line,) = [line for line in lines if "[b]cat" in line]
    assert line.split() == [r"[red]a\x1b[31m\n\udcff.png", "[b]cat", "75.00%"]


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 2.4, 1), (8, 6, 2), (99, 6, 10)])
def test_a_grid_of_any_number(tmp_path, count, columns, rows):
    draw_grid([prediction(f"{number}.png") for number in range(count)], tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        width, height = picture.size
    assert width == pytest.approx(200 * 1.25 * columns, abs=2)
    assert height == pytest.approx(200 * (1.75 * rows + 0.4), abs=2)


def test_a_grid_of_grey_pictures_with_odd_names(tmp_path):
    names = ["a_$\\frac$.png", "x" * 80 + ".png", "\n\udcff", "<&>"]
    odd = [prediction(name, classes=("<$&", "b"), shape=(8, 6, 1)) for name in names]
    draw_grid(odd, tmp_path / "grid.svg")
    assert "&lt;$&amp;" in (tmp_path / "grid.svg").read_text()


def test_a_grid_s_name_is_checked_first(tmp_path):
    check_grid("")
    check_grid(str(tmp_path / "a.PNG"))
    for name, said in (("a.jpeg", "ending in .png"), (f"{tmp_path}/no/a.png", "no folder")):
        with pytest.raises(UserError, match=said):
            check_grid(name)
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UserError, match="taken.png cannot be written"):
        draw_grid([prediction("a")], tmp_path / "taken.png")

"""The picture of a range test: with a suggestion and without."""

import numpy as np
from PIL import Image

from jaxcnn.reporting.figures.learning_rates import plot_range_test
from jaxcnn.training.lr_finder import RangeTest

RATES = np.geomspace(1e-6, 1, 50)


def test_the_suggestion_is_in_the_picture(tmp_path):
    losses = 2.0 - np.tanh(np.log10(RATES) + 3)
    result = RangeTest(RATES, losses, has_diverged=False)
    picture = plot_range_test(result, tmp_path / "new" / "range")
    with Image.open(picture) as opened:
        assert opened.size == (900, 600)
    text = picture.with_suffix(".svg").read_text()
    assert f"{result.steepest:.3g}: steepest descent" in text
    assert "learning rate" in text and "training loss" in text


def test_without_a_suggestion(tmp_path):
    for number, losses in enumerate((np.full(50, 2.3), np.geomspace(1, 1e30, 50))):
        picture = plot_range_test(
            RangeTest(RATES, losses, has_diverged=True), tmp_path / str(number)
        )
        assert "steepest descent" not in picture.with_suffix(".svg").read_text()

"""The page of mistakes and label errors: a section for each pair of classes with several images."""

import re

import numpy as np
import pytest

from jaxcnn.evaluation.mistakes import Doubt
from jaxcnn.reporting.doubts_page import write_doubts_page

PAIRS = ["ba", "ab", "ca", "ab", "ab", "ab"]  # label and prediction, the likeliest errors first


def page_of(pairs, tmp_path):
    picture = np.zeros((2, 2, 1), np.uint8)
    shown = [
        Doubt(f"train/{label}/{number}.png", picture, label, other, 0.1, 0.9)
        for number, (label, other) in enumerate(pairs)
    ]
    write_doubts_page(tmp_path / "page.html", "Doubts", [], shown, len(shown))
    return (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("pairs", "titles"),
    [
        (PAIRS, ["a → b", "Other pairs"]),
        (PAIRS[1:], ["a → b", "c → a"]),
        (PAIRS[:3], ["All pairs"]),
        ([], []),
    ],
)
def test_pairs_with_few_images_share_a_section(pairs, titles, tmp_path):
    page = page_of(pairs, tmp_path)
    assert re.findall("<h2>(.*?)</h2>", page) == titles
    assert page.count("<figure>") == len(pairs)
    assert all(f"{label} → {other}" in page for label, other in pairs)  # in the table


def test_a_long_path_breaks_after_a_folder(tmp_path):
    assert "<b>train/<wbr>b/<wbr>0.png</b>" in page_of(PAIRS, tmp_path)

"""Documents as Markdown and as a page."""

import base64
import xml.etree.ElementTree as ET
from pathlib import Path

from jaxcnn.reporting.document import Heading, Paragraph, Picture, Table, to_html, to_markdown

BLOCKS = [Heading("a*b"), Paragraph("x < `a_b` & y"), Table("c", ["k", "v"], [["1|2", "a\nb"]])]


def test_markdown():
    assert to_markdown("T_1", BLOCKS) == (
        "# T\\_1\n\n## a\\*b\n\nx \\< `a_b` & y\n\nc\n\n| k | v |\n| --- | ---: |\n"
        "| 1\\|2 | a b |\n"
    )


def test_html():
    text = to_html("T & U", BLOCKS, Path())
    assert "<title>T &amp; U</title>" in text and "<h2>a*b</h2>" in text
    assert "<p>x &lt; <code>a_b</code> &amp; y</p>" in text
    assert '<th scope="row">1|2</th>' in text


def test_pictures_side_by_side_follow_the_readers_colours(tmp_path):
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><defs></defs><path style="fill: #ffffff"/></svg>'
    for name in "ab":
        (tmp_path / f"{name}.svg").write_text(svg)
    text = to_html("T", [Picture("a", "A"), Picture("b", "B"), Heading("H")], tmp_path)
    assert text.count('<div class="figures">') == 1 and text.count("<figcaption>") == 2
    drawn = base64.b64decode(text.partition("base64,")[2].partition('"')[0]).decode()
    assert "fill: var(--paper)" in drawn and "prefers-color-scheme: dark" in drawn
    assert ET.fromstring(drawn).tag.endswith("svg")


def test_a_long_table_is_folded_up():
    text = to_html("T", [Table("many", ["k"], [["1"]], folded=True)], Path())
    assert "<details><summary>many</summary>" in text

"""A document of headings, paragraphs, tables and pictures, as Markdown and as one HTML page.

The page contains its pictures and no script, so it needs no other file and no network. Every text
is escaped, so that a folder or a class may have any name.
"""

import base64
import dataclasses
import html
import itertools
import re
import string
from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxcnn.reporting.figures.style import GRAY
from jaxcnn.text import printable

_TEMPLATE = Path(__file__).with_name("page.html")
_SHADES = """
:root { --ink: #000000; --paper: #ffffff; --grid: #dddddd; --gray: #555555; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #121212; --grid: #3a3a3a; --gray: #a8a8a8; }
}
:root { fill: var(--ink); }
"""
_MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]<>|])")


@dataclasses.dataclass(frozen=True)
class Heading:
    """A section's title, a heading of the second level."""

    text: str

    def markdown(self) -> str:
        """Return the heading as Markdown."""
        return f"## {_plain(self.text)}"

    def html(self, folder: Path) -> str:
        """Return the heading as HTML."""
        return f"<h2>{html.escape(self.text)}</h2>"


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A text; `` `words` `` in backquotes are shown as code."""

    text: str

    def markdown(self) -> str:
        """Return the text as Markdown."""
        parts = self.text.split("`")
        return "`".join(part if i % 2 else _plain(part) for i, part in enumerate(parts))

    def html(self, folder: Path) -> str:
        """Return the text as HTML."""
        parts = map(html.escape, self.text.split("`"))
        return f"<p>{''.join(f'<code>{p}</code>' if i % 2 else p for i, p in enumerate(parts))}</p>"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; the first column is aligned left, the others right.

    Attributes:
      caption: the title above the table.
      head: the names of the columns.
      rows: the cells of each row.
      folded: on the page, only the caption is visible until it is clicked.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False

    def markdown(self) -> str:
        """Return the caption and the table as Markdown."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        lines = [" | ".join(map(_plain, row)) for row in (self.head, *self.rows)]
        lines.insert(1, " | ".join(rule))
        return f"{_plain(self.caption)}\n\n" + "\n".join(f"| {line} |" for line in lines)

    def html(self, folder: Path) -> str:
        """Return the table as HTML; it scrolls sideways on a page that is too narrow."""
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in self.head)
        rows = "\n".join(f"<tr>{self._cells(row)}</tr>" for row in self.rows)
        caption = html.escape(self.caption)
        table = (
            f'<div class="table" tabindex="0" role="region" aria-label="{caption}">'
            f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
        )
        if self.folded:
            return f"<details><summary>{caption}</summary>\n{table}</details>"
        return f'<p class="caption">{caption}</p>\n{table}'

    @staticmethod
    def _cells(row: Sequence[str]) -> str:
        first, *others = map(html.escape, row)
        return f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture beside the document: `NAME.png` for Markdown, `NAME.svg` for the page."""

    name: str
    text: str

    def markdown(self) -> str:
        """Return a link to the PNG."""
        return f"![{_plain(self.text)}]({self.name}.png)"

    def html(self, folder: Path) -> str:
        """Return the SVG itself, read from the folder."""
        drawn = (folder / f"{self.name}.svg").read_text(encoding="utf-8")
        svg = base64.b64encode(_light_and_dark(drawn).encode()).decode()
        text = html.escape(self.text)
        image = f'<img src="data:image/svg+xml;base64,{svg}" alt="{text}">'
        return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


Block = Heading | Paragraph | Table | Picture


@dataclasses.dataclass(frozen=True)
class Tile:
    """A small picture with lines of text below it.

    Attributes:
      image: the content of a PNG or JPEG file.
      lines: the texts.
    """

    image: bytes
    lines: Sequence[str]

    def html(self) -> str:
        """Return the tile as HTML; its first line describes the picture."""
        is_png = self.image.startswith(b"\x89PNG")
        kind = "png" if is_png else "jpeg"
        first, *others = map(html.escape, self.lines)
        source = f"data:image/{kind};base64,{base64.b64encode(self.image).decode()}"
        name = first.replace("/", "/<wbr>")  # a long path breaks there
        text = "<br>".join([f"<b>{name}</b>", *others])
        image = f'<img src="{source}" alt="{first}" loading="lazy">'
        return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


@dataclasses.dataclass(frozen=True)
class Tiles:
    """Small pictures in rows, which only a page shows."""

    tiles: Sequence[Tile]

    def html(self, folder: Path) -> str:
        """Return the tiles as HTML."""
        return f'<div class="tiles">\n{"".join(tile.html() for tile in self.tiles)}\n</div>'


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """Return the document as Markdown."""
    return "\n\n".join([f"# {_plain(title)}", *(block.markdown() for block in blocks)]) + "\n"


def to_html(title: str, blocks: Sequence[Block | Tiles], folder: Path) -> str:
    """Return the document as one HTML page; its pictures are read from the folder."""
    parts = []
    for are_pictures, run in itertools.groupby(blocks, lambda block: isinstance(block, Picture)):
        text = "\n".join(block.html(folder) for block in run)
        parts.append(f'<div class="figures">\n{text}\n</div>' if are_pictures else text)
    template = string.Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(title=html.escape(title), content="\n".join(parts))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown themselves, such as `` `lenet` ``."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def plain_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts; the first column is aligned left, the others right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _light_and_dark(svg: str) -> str:
    """Let black, white and grays of an SVG follow the reader's color scheme, light or dark."""
    shades = {"#000000": "--ink", "#ffffff": "--paper", "#dddddd": "--grid", GRAY: "--gray"}
    for shade, variable in shades.items():
        svg = svg.replace(shade, f"var({variable})")
    head, end, rest = svg.partition("<defs>")
    return f"{head}<style>{_SHADES}</style>{end}{rest}"


def _plain(text: str) -> str:
    """Return a text on one line, with the signs of Markdown escaped."""
    return _MARKDOWN_SIGNS.sub(r"\\\1", printable(re.sub(r"\s+", " ", text)))

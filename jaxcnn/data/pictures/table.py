"""Tables of pictures: CSV, TSV or JSON lines with a row for each picture.

The columns are `path` or `file_name` (the name in Hugging Face's `metadata.csv`), `label` or
`class`, and optionally `split` and `group`. Other columns are ignored. No image library is needed
here.
"""

import csv
import dataclasses
import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from jaxcnn.data.pictures.content import SPLIT_NAMES
from jaxcnn.errors import UserError
from jaxcnn.text import join_names

METADATA = ("metadata.csv", "metadata.jsonl")  # Hugging Face's names
_CSV, _JSON_LINES = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson")
_DELIMITERS = ",;\t"
_COLUMNS = {
    "path": ("path", "file_name"),
    "label": ("label", "class"),
    "split": ("split",),
    "group": ("group",),
}
_KNOWN = {name for names in _COLUMNS.values() for name in names}

_Values = Sequence[tuple[str, object]]  # the columns of a line, with their values


@dataclasses.dataclass(frozen=True)
class Row:
    """A picture of a table.

    Attributes:
      place: the table and the line, for messages.
      path: the picture's file, absolute.
      label: the name of its class; "" if the table is not read for labels.
      split: "train", "validation" or "test"; "" if the table has no splits.
      group: pictures of one group stay in one split; "" for none.
    """

    place: str
    path: Path
    label: str
    split: str
    group: str


def table_files(source: Path) -> dict[str, Path]:
    """Return the files of a table by split; {"": FILE} if the folders do not give the splits.

    Args:
      source: a file or a folder. A folder holds Hugging Face's `metadata.csv` or `metadata.jsonl`,
        or folders called train, validation or test, each with such a file.

    Raises:
      UserError: there is no such file, or two are for the same split.
    """
    if not source.is_dir():
        if not source.is_file():
            raise UserError(f"table:{source}: there is no such file")
        return {"": source}
    if file := _metadata_in(source):
        return {"": file}
    by_split: dict[str, Path] = {}
    for folder in sorted(source.iterdir()):
        split, file = SPLIT_NAMES.get(folder.name.casefold(), ""), _metadata_in(folder)
        if not (split and file):
            continue
        if split in by_split:
            raise UserError(f"{by_split[split]} and {file} are the same split; keep one")
        by_split[split] = file
    if not by_split:
        raise UserError(
            f"table:{source}: the folder holds no {' or '.join(METADATA)}, nor do its folders "
            "train, validation and test; name the table's file"
        )
    return by_split


def _metadata_in(folder: Path) -> Path | None:
    return next((folder / name for name in METADATA if (folder / name).is_file()), None)


def read_table(source: Path) -> list[Row]:
    """Return the pictures of a table, in its order.

    Args:
      source: see `table_files`. Paths in a table are relative to the table's folder.

    Raises:
      UserError: a file cannot be read, lacks a column or a value, names a file that does not
        exist, names a picture twice, or gives only some pictures a split.
    """
    rows = [
        dataclasses.replace(row, split=split or row.split)
        for split, file in table_files(source).items()
        for row in read_rows(file, file.parent, need=("path", "label"))
    ]
    first: dict[Path, Row] = {}
    for row in rows:
        if (other := first.setdefault(row.path, row)) is not row:
            raise UserError(
                f"{source}: {row.path} is in {other.split}, {other.place}, and in {row.split}, "
                f"{row.place}; keep one"
            )
    without_split = [row for row in rows if not row.split]
    if without_split and len(without_split) < len(rows):
        raise UserError(
            f"{source}: {without_split[0].place} has no split, but other lines have one; give each "
            "picture a split, or none"
        )
    missing = [f"{row.path} ({row.place})" for row in rows if not row.path.is_file()]
    if missing:
        raise UserError(
            f"{source}: {len(missing):,} of its {len(rows):,} pictures do not exist: "
            f"{join_names(missing, 3)}; paths are relative to the table's folder"
        )
    return rows


def read_rows(file: Path, base: Path, need: Collection[str]) -> list[Row]:
    """Return the rows of one file of a table, and do not check that the pictures exist.

    Args:
      file: CSV, TSV or JSON lines.
      base: the folder that the paths are relative to.
      need: the required columns, among "path", "label" and "split".

    Raises:
      UserError: see `read_table`.
    """
    rows: dict[Path, Row] = {}
    for number, values in _records(file, need):
        place = f"line {number} of {file.name}"
        for column in need:
            if not values.get(column):
                raise UserError(f"{file}: line {number} has no {column}")
        split = values.get("split", "")
        if "split" in values and split.casefold() not in SPLIT_NAMES:
            raise UserError(
                f"{file}: line {number}: the split {split!r} must be train, validation or test"
            )
        path = Path(os.path.normpath(base / values["path"]))
        row = Row(
            place=place,
            path=path,
            # the same letters may be written with other code points, as in names of folders
            label=normalize("NFC", values.get("label", "")),
            split=SPLIT_NAMES.get(split.casefold(), ""),
            group=values.get("group", ""),
        )
        if (first := rows.setdefault(path, row)) is not row:
            raise UserError(f"{file}: {values['path']} is in {first.place} and in line {number}")
    if not rows:
        raise UserError(f"{file}: the table has no rows")
    return list(rows.values())


def _records(file: Path, need: Collection[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the values of each row, by the names in `_COLUMNS`."""
    suffix = file.suffix.casefold()
    if suffix not in (*_CSV, *_JSON_LINES):
        raise UserError(f"{file}: a table's name must end in .csv, .tsv or .jsonl")
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:
            records = _csv_records if suffix in _CSV else _json_records
            for number, values in records(file, lines):
                yield number, _known_columns(file, number, values, need)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        reason = "it is not in UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise UserError(f"{file} is no table: {reason}") from error


def _csv_records(file: Path, lines: Iterator[str]) -> Iterator[tuple[int, _Values]]:
    header = next(lines, "")
    delimiter = max(_DELIMITERS, key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    reader = csv.reader(lines, delimiter=delimiter)
    for cells in reader:
        number = reader.line_num + 1
        if not any(map(str.strip, cells)):
            continue
        if len(cells) != len(names):
            raise UserError(
                f"{file}: line {number} has {len(cells)} cells, but the header has {len(names)}"
            )
        yield number, list(zip(names, cells, strict=True))


def _json_records(file: Path, lines: Iterator[str]) -> Iterator[tuple[int, _Values]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise UserError(f"{file}: line {number} is no JSON object")
        yield number, list(values.items())


def _known_columns(
    file: Path, number: int, values: _Values, need: Collection[str]
) -> dict[str, str]:
    """Return the values of the columns in `_COLUMNS` as text, without spaces around them."""
    by_name: dict[str, object] = {}
    for name, value in values:
        if name.casefold() in by_name and name.casefold() in _KNOWN:
            raise UserError(f"{file}: has two columns {name.casefold()!r}; keep one")
        by_name[name.casefold()] = value
    known = {}
    for column, names in _COLUMNS.items():
        name = next((name for name in names if name in by_name), None)
        if name is None and column in need:
            has = join_names([name for name, _ in values])
            raise UserError(f"{file}: line {number} has no {' or '.join(names)} (it has {has})")
        if name is not None:
            if not isinstance(by_name[name], (str, int)):
                raise UserError(
                    f"{file}: line {number}: the {name} must be a text or a whole number"
                )
            known[column] = str(by_name[name]).strip()
    return known

"""Grids of a sweep: the recipes that differ in two fields, such as rate and momentum."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from jaxcnn.config.help import guess_field
from jaxcnn.config.sweep import is_number
from jaxcnn.errors import UserError
from jaxcnn.reporting.comparison.groups import RecipeGroup, Section
from jaxcnn.reporting.comparison.labels import short_name, short_value
from jaxcnn.reporting.comparison.recipes import differences, recipe_of_run

Fields = tuple[str, str]  # dotted names of the fields of rows and columns


@dataclasses.dataclass(frozen=True)
class Grid:
    """The groups of a section by the values of two fields.

    Attributes:
      title: the network, and the values of other fields that the grid's groups have in common.
      fields: the names of the two fields.
      rows: the values of the first field, ascending.
      columns: the values of the second field, ascending.
      cells: groups by position (row, column); a combination that was not run is absent.
      others: the names of other fields that are not the same in all groups of the grid.
    """

    title: str
    fields: Fields
    rows: list[Any]
    columns: list[Any]
    cells: dict[tuple[int, int], RecipeGroup]
    others: list[str]

    @property
    def is_crossed(self) -> bool:
        """True if several cells have a row or a column in common."""
        return len(self.cells) > max(len(self.rows), len(self.columns))


def fields_of_grid(fields: Sequence[str], sections: Sequence[Section]) -> Fields | None:
    """Return the two fields that a user named for the grids; None if there are none.

    Raises:
      UserError: they are not two fields of the recipes, or no two runs differ in them.
    """
    if not fields:
        return None
    if len(set(fields)) != 2 or len(fields) != 2:
        raise UserError(
            f"--grid={','.join(fields)}: name two fields, such as "
            "--grid=optimizer.learning_rate,optimizer.momentum"
        )
    known = {
        name: None
        for section in sections
        for group in section.groups
        for name in recipe_of_run(group.run)
    }
    for name in fields:
        if name not in known:
            raise UserError(f"--grid: {name} is no field of the recipes{guess_field(name, known)}")
    pair = (fields[0], fields[1])
    if not any(grids_of(section, pair) for section in sections):
        raise UserError(f"--grid: the runs of a dataset do not differ in {' or '.join(pair)}")
    return pair


def grids_of(section: Section, fields: Fields | None = None) -> list[Grid]:
    """Return the grids of a section, each with two cells or more.

    Each network has separate grids. If two recipes of a network agree in both fields, each
    combination of the other differing fields has its own grid.

    Args:
      fields: the fields of rows and columns. None for the two fields that differ between the
        groups; there is no grid if another number of fields differ, or if no row and no column
        has two cells.

    Raises:
      UserError: the fields are the name of the network and another one, and do not tell two
        recipes apart.
    """
    if fields is None:
        first, *others = section.differences or [""]
        if len(others) != 1:
            return []
        return [grid for grid in grids_of(section, (first, others[0])) if grid.is_crossed]
    differing = [name for name in section.differences if name not in fields]
    by_network = [name for name in differing if name.startswith("model.")]
    if "model.name" in fields:  # the options of a network are part of its name's row
        differing = [name for name in differing if name not in by_network]
        by_network = []
    grids = []
    for part in _split(section.groups, by_network):
        finer = [part] if _is_one_each(part, fields) else _split(part, differing)
        for groups in finer:
            if not _is_one_each(groups, fields):
                raise UserError(
                    f"--grid={','.join(fields)}: recipes with one value of both fields differ in "
                    "the options of their network; compare the runs of one network"
                )
        grids += [_grid(groups, fields, differing) for groups in finer]
    return [grid for grid in grids if len(grid.cells) > 1]


def _is_one_each(groups: Sequence[RecipeGroup], fields: Fields) -> bool:
    """Return whether each group has another combination of the two fields."""
    return len(_split(groups, fields)) == len(groups)


def _split(groups: Sequence[RecipeGroup], names: Sequence[str]) -> list[list[RecipeGroup]]:
    """Return the groups in parts that have the same values of the fields."""
    parts: dict[str, list[RecipeGroup]] = {}
    for group in groups:
        values = recipe_of_run(group.run)
        parts.setdefault(repr([values.get(name) for name in names]), []).append(group)
    return list(parts.values())


def _grid(groups: list[RecipeGroup], fields: Fields, differing: Sequence[str]) -> Grid:
    """Return the grid of groups that differ in at least one of the two fields.

    Args:
      differing: the other fields that differ between the groups of the section.
    """
    values = {group.label: recipe_of_run(group.run) for group in groups}
    others = [n for n in differences([g.run for g in groups]) if n not in fields]
    common = [n for n in differing if n not in others and n != "model.name"]
    first = values[groups[0].label]
    parts = [f"{short_name(name)} {short_value(first.get(name))}" for name in common]
    network = [] if "model.name" in fields else [groups[0].run.network]
    rows, columns = (_sorted([v.get(name) for v in values.values()]) for name in fields)
    cells = {}
    for group in groups:
        row, column = (values[group.label].get(name) for name in fields)
        cells[rows.index(row), columns.index(column)] = group
    return Grid(", ".join(network + parts), fields, rows, columns, cells, others)


def _sorted(values: Sequence[Any]) -> list[Any]:
    """Return each value once: numbers ascending, then others by their text."""
    unique: list[Any] = []
    for value in values:
        if value not in unique:
            unique.append(value)

    def key(value: Any) -> tuple[float, str]:
        return (value, "") if is_number(value) else (math.inf, str(value))

    return sorted(unique, key=key)

"""Write the generated pages: `python docs/generate.py` makes `configs.md` and `networks.md`.

`results.md` is made by `python results/update.py`. The pages are committed, so that they can be
read without a build and a review shows their changes. `tests/commands/test_docs.py` checks that
they are current.
"""

from pathlib import Path
from typing import Any

from jaxcnn import models
from jaxcnn.config.check import rule_of
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.rules import Effect, Field
from jaxcnn.files.writing import write_text
from jaxcnn.workdir.run_config import registries

DOCS = Path(__file__).parent
CONFIGS = """\
# Config fields

Each field can be set in a config file (`config.optimizer.name = "adamw"`) or on the command line
(`--config.optimizer.name=adamw`). `python -m jaxcnn.main --help` prints the same table.
A field that does not exist, of the wrong type or out of range is reported in one line before
anything is written.

The last column tells the effect of a new value on a run that is resumed:

| effect | meaning |
|---|---|
| nothing; reports quote it | the field describes the recipe |
| no number beyond rounding | the run continues and announces the change |
| when the run ends, and what it tests | as in the next row; a run that has ended takes it too |
| every number from then on | the run continues, announces the change, and its report lists it |
| another run of the same recipe | the folder is refused; name another `--workdir` |
| another run | the folder is refused; name another `--workdir` |

A run that has ended takes a new value that affects every number only together with more epochs.
"""
NETWORKS = """\
# Networks

Layers are convolutions and dense layers, those of shortcuts and further heads included. Parameters
include BatchNorm's running averages, which are not trained. Operations are those of the layers for
one image, forward; a multiply-add counts as two. All are for images and classes as in the column
"published for", which for networks of this project is the data that they were made for.
`python -m jaxcnn.summary --list` prints this table, and `python -m jaxcnn.summary --network=NAME` a
network layer by layer, for other sizes too (`--num_classes`, `--image_size`).

The sources of the published networks are in [The publications](publications.md).
"""


def configs_page() -> str:
    """Return `configs.md`: the table of all fields, by group."""
    names, parts, group = registries(), [CONFIGS], None
    for name, field in FIELDS.items():
        if name.rpartition(".")[0] != group:
            group = name.rpartition(".")[0]
            parts.append(
                f"\n## {f'`{group}`' if group else 'General'}\n\n"
                "| field | meaning | default | allowed | effect on a resumed run |\n"
                "|---|---|---|---|---|\n"
            )
        cells = (f"`{name}`", field.help, _default(field), _allowed(field, names))
        parts.append(_row(*cells, field.effect.value))
    parts.append(
        "\n## Options of the networks\n\n"
        "`config.model` holds the network's name and its options. Another option is "
        f"{Effect.RUN.value}.\n\n| network | options with their defaults |\n|---|---|\n"
    )
    parts += [
        _row(f"`{name}`", ", ".join(f"`{key}={value!r}`" for key, value in options.items()))
        for name in models.network_names()
        if (options := models.network_options(name))
    ]
    return "".join(parts)


def networks_page() -> str:
    """Return `networks.md`: layers, parameters and operations of all networks."""
    lines = [
        NETWORKS,
        "\n| network | layers | parameters | trained | operations | published for |\n",
        "|---|--:|--:|--:|--:|---|\n",
    ]
    for name in models.network_names():
        entry = models.network_entry(name)
        sizes = {"num_classes": entry.num_classes, "image_shape": entry.image_shape}
        summary = models.summary(models.build(name, abstract=True, **sizes))
        layers = sum(bool(row.flops) for row in summary.rows)
        lines.append(
            _row(
                f"`{name}`",
                f"{layers}",
                f"{summary.parameters:,}",
                f"{summary.trainable_parameters:,}",
                f"{summary.flops / 1e6:,.1f} M",
                f"{'×'.join(map(str, entry.image_shape))}, {entry.num_classes} classes",
            )
        )
    return "".join(lines)


def _default(field: Field) -> str:
    return "empty" if field.default == "" else f"`{field.default}`"


def _allowed(field: Field, names: dict[str, Any]) -> str:
    rule = rule_of(field, names)
    if rule is not None:
        return rule.allowed
    return "True or False" if isinstance(field.default, bool) else "any text"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


PAGES = {"configs.md": configs_page, "networks.md": networks_page}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        write_text(DOCS / name, page())


if __name__ == "__main__":
    main()

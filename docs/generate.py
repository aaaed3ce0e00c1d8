"""Write the generated pages: `python docs/generate.py`.

They are `recipes.md`, `configs.md`, `networks.md`, `results.md`, `classic.md` with its pictures,
and the tables of `publications.md`. They are committed, so that they can be read without a build
and a review shows their changes. `tests/commands/test_docs.py` checks that they are current.
"""

import ast
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.config.check import rule_of
from jaxcnn.config.fields import FIELDS
from jaxcnn.config.files import config_variants
from jaxcnn.config.rules import Effect, Field
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_text
from jaxcnn.reporting import classic, publications_page, results_page
from jaxcnn.reporting.classic_figures import draw_pictures
from jaxcnn.reporting.classic_page import classic_page
from jaxcnn.reporting.kept_runs import RUNS, kept_groups
from jaxcnn.workdir.run_config import registries

DOCS = Path(__file__).parent
RECIPES = """\
# Recipes

`jaxcnn train --config=RECIPE` trains one of them, and `--config=FILE` a config file of your own.
Each file in `configs/` makes one recipe, or a variant for each name after the colon. Its docstring
has the source, the fields that the source leaves open, and the figures.

- *Schedule* and *augmentation* name what differs from a constant rate and plain images.
- [Results](results.md) has the accuracies, beside the published ones.
- [Speed on CPUs](performance/cpu.md#a-training-step-of-each-config) has the time of a step of each.
"""
CONFIGS = """\
# Config fields

Each field can be set in a config file (`config.optimizer.name = "adamw"`) or on the command line
(`--config.optimizer.name=adamw`). `jaxcnn train --help` prints the same table.
A field that does not exist, a wrong type, and a value out of range are reported in one line before
anything is written.

The last column tells the effect of a new value on a run that is resumed:

| effect | meaning |
|---|---|
| nothing; reports quote it | the field describes the recipe |
| no number beyond rounding | the run continues and announces the change |
| when the run ends, and what it tests | as in the next row; a run that has ended accepts it too |
| every number from then on | the run continues, announces the change, and its report lists it |
| another run of the same recipe | the folder is refused; name another `--workdir` |
| another run | the folder is refused; name another `--workdir` |

A run that has ended accepts a change with the effect "every number from then on" only together
with more epochs. A run that early stopping ended does not accept another `early_stopping.metric`
or `early_stopping.min_delta` either.
"""
NETWORKS = """\
# Networks

- *Layers* are convolutions and dense layers, those of shortcuts and further heads included.
- *Parameters* include BatchNorm's running averages, which are not trained.
- *Operations* are those of the layers for one image, forward; a multiply-add counts as two.
- *Published for* names the images and classes that the numbers are for. For a network of this
  project it is the data that the network was made for.

`jaxcnn summary --list` prints this table. `jaxcnn summary --network=NAME` prints a network layer by
layer, for other sizes too (`--num_classes`, `--image_size`).

The sources of the published networks are in [The publications](publications.md).
"""
RESULTS = """\
# Results

Test accuracies of the recipes, beside the published ones. This page is generated from the records
in `results/runs` and the figures in `jaxcnn/config/publications.py`; nothing is typed.

- *Ours* is the test accuracy of the last epoch's weights. Where a split held out of training chose
  the best epoch, it is that of the best epoch's weights. It is of one run, or the mean ± sample
  standard deviation over *n* seeds.
- An *unfinished* run shows its epochs and its validation accuracy so far. It is no result of the
  recipe, and counts in no mean.
- *Published* is the test accuracy after the last epoch; that of the best epoch is in the next
  column.
- *Epochs* and *best validation* are of whole epochs. A run of a number of steps may end within an
  epoch, above its best whole one.
- *s/epoch* is the time of an epoch's training at the median speed on *machine*, mostly beside other
  work, so it is no measure of speed. The publications name no hardware.
- † The test set served as validation, as published: no estimate on unseen images.
- ‡ A field of the recipe was chosen by test accuracies, see [Readings and recipes](readings.md).

`jaxcnn train --config=CONFIG` makes a row, and `jaxcnn reproduce CONFIG --seeds=3` tells whether
your machine gives the same. `python results/keep.py RUN…` keeps the records of a run, at most 100
KB, and `jaxcnn compare results/runs/*` makes tables and pictures of them.
[The publications](publications.md) explains the figures.\
"""
CLASSIC = """\
# Five classic networks on CIFAR-10 and CIFAR-100

LeNet, AlexNet, VGG16, ResNet50 and GoogLeNet, as publication [classic] compares them: accuracy by
epoch, overall, by class and by superclass, and cost. This page and its pictures are generated from
the kept runs in `results/runs` and the figures in `jaxcnn/config/publications.py`; nothing is
typed. [The publications](publications.md#classic) has the recipes and what they leave open.

- *Ours* is the test accuracy of the last epoch. An unfinished run shows its epochs and its accuracy
  so far, which is no result: no difference, test or ranking takes it.
- A difference counts as one only if a test tells the two networks apart. For published figures it
  is a z test by the 10,000 test images, as the publication gives one run of each network.
- *Seconds per epoch, ours* were mostly taken beside other work, so they are no measure of speed.

`python results/keep.py --unfinished RUN` keeps a run that has not finished, and `jaxcnn evaluate
--workdir=RUN` before it adds the accuracies by class. `jaxcnn compare RUN…` makes such tables and
pictures of any runs.\
"""


def recipes_page() -> str:
    """Return `recipes.md`: the data, network and training of each recipe, by config file."""
    tables: dict[str, list[str]] = {}
    for name, config in _configs().items():
        tables.setdefault(name.partition(":")[0], []).append(_recipe_row(name, config))
    parts = [RECIPES]
    for file, rows in tables.items():
        code = (DOCS.parent / "configs" / f"{file}.py").read_text(encoding="utf-8")
        first_line = (ast.get_docstring(ast.parse(code)) or "").partition("\n")[0]
        parts += [
            f"\n## {file}\n\n{first_line}\n\n",
            "| recipe | data | network | length | batch | optimizer | schedule | augmentation |\n",
            "|---|---|---|---|--:|---|---|---|\n",
            *rows,
        ]
    return "".join(parts)


def _recipe_row(name: str, config: ConfigDict) -> str:
    steps, epochs = config.num_steps, config.num_epochs
    optimizer, schedule = config.optimizer, config.schedule.name
    return _row(
        f"`{name}`",
        config.dataset.name,
        config.model.name,
        f"{steps} steps" if steps else f"{epochs} epoch{'s' * (epochs != 1)}",
        f"{config.global_batch_size}",
        f"{optimizer.name} {optimizer.learning_rate:g}",
        "" if schedule == "constant" else schedule,
        ", ".join(
            field
            for field, value in config.augment.items()
            if value != FIELDS[f"augment.{field}"].default and field != "crop_mode"
        ),
    )


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


def results_text() -> str:
    """Return `results.md`: the kept runs beside the published figures, by publication."""
    page = results_page.results_page(RESULTS, _configs(), kept_groups())
    return f"{page}\n{results_page.earlier_section(_earlier())}"


def publications_text() -> str:
    """Return `publications.md`, whose text is written by hand, with new tables of the figures."""
    earlier = {row["config"]: row["accuracy"] for row in _earlier()}
    page = (DOCS / "publications.md").read_text(encoding="utf-8")
    page = publications_page.fill_tables(page, _configs(), kept_groups(), earlier)
    return publications_page.fill_grids(page)


def classic_text() -> str:
    """Return `classic.md`: the five networks of [classic], by the publication and the kept runs."""
    return classic_page(CLASSIC, _comparisons())


def _comparisons() -> list[classic.Comparison]:
    return classic.comparisons(_configs(), kept_groups())


def _configs() -> dict[str, ConfigDict]:
    folder = DOCS.parent / "configs"
    return {name: make() for name, make in config_variants(folder).items()}


def _earlier() -> list[dict[str, Any]]:
    """Return the figures of runs of older code, of which nothing else is left."""
    return read_json(RUNS.parent / "cpu.json")["rows"]


def _default(field: Field) -> str:
    return "empty" if field.default == "" else f"`{field.default}`"


def _allowed(field: Field, names: dict[str, Any]) -> str:
    rule = rule_of(field, names)
    if rule is not None:
        return rule.allowed
    return "True or False" if isinstance(field.default, bool) else "any text"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


PAGES = {
    "recipes.md": recipes_page,
    "configs.md": configs_page,
    "networks.md": networks_page,
    "results.md": results_text,
    "publications.md": publications_text,
    "classic.md": classic_text,
}


def main() -> None:
    """Write all pages, and the pictures of `classic.md`."""
    for name, page in PAGES.items():
        write_text(DOCS / name, page())
    draw_pictures(_comparisons(), DOCS / "images")


if __name__ == "__main__":
    main()

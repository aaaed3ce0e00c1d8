"""Add results of runs, and write the table: `python results/update.py [NAME=WORKDIR …]`.

The config files declare the published accuracies; `cpu.json` holds ours as `{"rows": […]}`.
The table is that of `docs/results.md`. NAME is a config such as `lenet:cifar10`; several runs that
differ in the seed alone are given as NAME=WORKDIR,WORKDIR.
"""

import statistics
import sys
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn import models
from jaxcnn.config.defaults import to_dict
from jaxcnn.config.files import config_variants
from jaxcnn.config.published import changes_of_recipe, recipe_fields
from jaxcnn.data.loading import dataset_sizes
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json, write_text
from jaxcnn.workdir.run_files import read_part

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "results.md"
CONFIG = ("seed", "dataset", "test_with", "validation")  # fields that a row needs
RESULT = ("test_accuracy", "parameters", "best_validation_accuracy", "num_epochs", "seconds")
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"


def make_row(name: str, workdirs: list[Path]) -> dict[str, Any]:
    """Return the row of a config: means over its runs.

    Raises:
      UserError: there is no such config, or a run has another recipe or has not ended.
    """
    declared = check_recipe(name, workdirs)
    results = [read_part(workdir, "result.json", RESULT) for workdir in workdirs]
    config = read_part(workdirs[0], "config.json", CONFIG)
    environment = read_part(workdirs[0], "environment.json", ["devices"])
    accuracies = [result["test_accuracy"] for result in results]
    splits = {
        "test": "the test split is the validation split",
        "validation": "the publisher's validation split",
        "holdout": "held out from the training split",
        "tail": "the last part of the training split",
    }
    return {
        "config": name,
        "dataset": config["dataset"]["name"],
        "parameters": results[0]["parameters"],
        "published_accuracy": declared.published.accuracy or None,
        "accuracy": statistics.mean(accuracies),
        "best_validation_accuracy": statistics.mean(
            result["best_validation_accuracy"] for result in results
        ),
        "std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "n": len(accuracies),
        "num_epochs": results[0]["num_epochs"],
        "protocol": f"{config['test_with']} epoch; validation: {splits[config['validation']]}",
        "seconds": statistics.mean(result["seconds"] for result in results),
        "device": f"{len(environment['devices'])} × {environment['devices'][0]}",
    }


def check_recipe(name: str, workdirs: list[Path]) -> ConfigDict:
    """Return the config of a name after checking that the runs follow it; see `make_row`."""
    configs = config_variants(HERE.parent / "configs")
    if name not in configs:
        raise UserError(f"{name}: there is no such config; there are {', '.join(configs)}")
    for workdir in workdirs:
        if changes_of_recipe(read_part(workdir, "environment.json")):
            raise UserError(f"{workdir}: its settings were changed on the way")
    declared = configs[name]()
    recipe, seeds = recipe_fields(to_dict(declared)), set()
    for workdir in workdirs:
        config = read_part(workdir, "config.json", CONFIG)
        if config["seed"] in seeds:
            raise UserError(f"{workdir}: its seed, {config['seed']}, is that of another run")
        seeds.add(config["seed"])
        ran = recipe_fields(config)
        for field, value in recipe.items():
            if ran.get(field, value) != value:
                raise UserError(
                    f"{workdir}: is no run of {name}: its {field} is {ran[field]!r}, not {value!r}"
                )
    return declared


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Return the table, with a line for each config, run or not."""
    lines = [
        "| config | network | parameters | dataset | ours | epochs | published |",
        "|---|---|--:|---|--:|--:|--:|",
    ]
    for name, get_config in config_variants(HERE.parent / "configs").items():
        config = get_config()
        num_classes, image_shape = dataset_sizes(config.dataset)
        sizes = {"num_classes": num_classes, "image_shape": image_shape}
        network = models.build(**config.model, **sizes, abstract=True)
        file, _, variant = name.partition(":")
        cells = [
            f"`configs/{file}.py{':' if variant else ''}{variant}`",
            config.model.name,
            f"{models.summary(network).parameters:,}",
            config.dataset.name,
            ours(rows.get(name)),
            str(rows[name]["num_epochs"]) if name in rows else "",
            f"{100 * accuracy:.2f} %" if (accuracy := config.published.accuracy) else "none",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def ours(row: dict[str, Any] | None) -> str:
    """Return our accuracy as text: mean ± standard deviation over n seeds."""
    if row is None:
        return "not run yet"
    text = f"{100 * row['accuracy']:.2f} %"
    return text if row["n"] == 1 else f"{text} ± {100 * row['std']:.2f} (n = {row['n']})"


def main(arguments: list[str]) -> None:
    """Add the rows, and rewrite the table between the page's markers."""
    try:
        update(arguments)
    except UserError as error:
        sys.exit(f"error: {error}")


def update(arguments: list[str]) -> None:
    """Add the rows of the arguments, and write `cpu.json` and the page's table."""
    path = HERE / "cpu.json"
    rows = {row["config"]: row for row in read_json(path)["rows"]} if path.exists() else {}
    for argument in arguments:
        if not all(argument.partition("=")):
            raise UserError(f"{argument}: is not NAME=WORKDIR or NAME=WORKDIR,WORKDIR")
        name, _, workdirs = argument.partition("=")
        rows[name] = make_row(name, [Path(workdir) for workdir in workdirs.split(",")])
    write_json(path, {"rows": [rows[name] for name in sorted(rows)]})
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    write_text(PAGE, before + BEGIN + table(rows) + END + after)


if __name__ == "__main__":
    main(sys.argv[1:])

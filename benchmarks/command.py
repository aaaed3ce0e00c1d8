"""The side-by-side benchmarks as commands: flags, the table, the results file."""

import time
from pathlib import Path
from typing import Any

import machine
import sides
from absl import flags
from recipes import choose_networks, load_config, num_images
from rich.console import Console
from rich.table import Table
from rounds import TOLERANCE

import results
from jaxcnn.errors import UserError
from jaxcnn.process import command

_QUICK = flags.DEFINE_bool("quick", False, "Small networks and short rounds: under a minute.")
_NETWORKS = flags.DEFINE_list("networks", [], "The networks to measure; wildcards are allowed.")
_SIDES = flags.DEFINE_list(
    "sides",
    [],
    f"The sides to compare: {', '.join(sides.SIDES)}; {sides.CHECKOUT}PATH is another checkout.",
)
_JSON = flags.DEFINE_string("json", "", "The file that the results are written to, as JSON.")

ROUND_SECONDS, QUICK_ROUND_SECONDS = 0.5, 0.4
MOST_SECONDS, QUICK_MOST_SECONDS = 270.0, 50.0  # of a whole benchmark


def run(
    task: str,
    title: str,
    *,
    networks: tuple[str, ...],
    quick_networks: tuple[str, ...],
    side_names: tuple[str, ...],
) -> None:
    """Run a benchmark as a command.

    Args:
      task: name of the method that the sides run.
      title: of the table.
      networks: the networks, unless others are named.
      quick_networks: those of `--quick`.
      side_names: the sides, unless others are named; the first is compared with the others.
    """

    def main(arguments: list[str]) -> None:
        if arguments:
            raise UserError(f"unexpected argument {arguments[0]!r}")
        names = list(_SIDES.value or side_names)
        chosen = choose_networks(_NETWORKS.value, quick_networks if _QUICK.value else networks)
        sides.check_installed(names)
        results.check_json(_JSON.value)
        round_seconds = QUICK_ROUND_SECONDS if _QUICK.value else ROUND_SECONDS
        deadline = time.perf_counter() + (QUICK_MOST_SECONDS if _QUICK.value else MOST_SECONDS)
        rows = []
        for index, network in enumerate(chosen):
            size = num_images(network, task, is_quick=_QUICK.value)
            job = sides.Job(network, task, load_config(network, task), size)
            seconds_left = deadline - time.perf_counter()
            is_last = index == len(chosen) - 1
            until = deadline - (0.0 if is_last else seconds_left / 2)
            rows.append(sides.measure(job, names, round_seconds, until))
            if _JSON.value:
                results.write_results(Path(_JSON.value), task, rows)
        show(f"{title}: {machine.describe()}", names, rows)

    command.run(main)


def show(title: str, names: list[str], rows: list[dict[str, Any]]) -> None:
    """Print the rows as a table, with warnings where the figures are not to be trusted."""
    table = Table(title=title)
    cells = [_cells(names, row) for row in rows]
    for heading in cells[0]:
        is_name = heading == "network"
        table.add_column(heading, justify="left" if is_name else "right", no_wrap=is_name)
    for row in cells:
        table.add_row(*row.values())
    console = Console()
    Console(width=console.width if console.is_terminal else 140).print(table)
    busiest = max(row["busy_cores"] for row in rows)
    if busiest > machine.BUSY_CORES:
        print(f"warning: other processes kept {busiest:.1f} cores busy; don't trust the ratios")
    unsteady = [row["network"] for row in rows if not row["rounds_agree"]]
    if unsteady:
        names = ", ".join(unsteady)
        print(f"warning: no two rounds agreed within {TOLERANCE:.0%} for {names}; run them again")


def _cells(names: list[str], row: dict[str, Any]) -> dict[str, str]:
    """Return the cells of a row by heading.

    A ratio is that of the first side to the side in the cell before.
    """

    def figures(figure: str) -> dict[str, float]:
        return {name: row[results.prefix(name) + figure] for name in names}

    speeds = {name: f"{speed:,.0f}" for name, speed in figures("images_per_second").items()}
    cells = {"network": row["network"], "batch": str(row["batch_size"])}
    cells[names[0]] = speeds[names[0]]
    for name in names[1:]:
        cells[name.replace("_", "\n")] = speeds[name]
        cells[f"ratio to\n{name}".replace("_", " ")] = f"{row[f'ratio_to_{name}']:.2f}"
    if "share_of_product" in row:
        cells["GFLOP/s"] = f"{row['gflops_per_second']:,.0f}"
        cells["of limit"] = f"{row['share_of_product']:.0%}"
    memory = figures("peak_memory_bytes").values()
    return cells | {"peak memory (GB)": " / ".join(f"{size / 1e9:.1f}" for size in memory)}

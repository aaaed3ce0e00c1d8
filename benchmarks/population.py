"""Members of a population beside separate runs: `python benchmarks/population.py`.

N members train the same network with other seeds, in the form that `choose_form` takes. Beside them
one run trains with its default devices; N separate runs one after another take N times as long.
Both sides take the same steps on noise, in turns. Compilation is not counted, and neither are
evaluation and checkpoints, which both have. The speed-up is the median of the turns' ratios.

Run it on an idle machine.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import jax
from absl import flags
from recipes import choose_networks, load_config, noise
from rich.console import Console
from rich.table import Table

import results
from jaxcnn.config.sweep import with_values
from jaxcnn.errors import UserError
from jaxcnn.process import command
from jaxcnn.training.member import make_member_runs
from jaxcnn.training.member_programs import Form, MemberPrograms, choose_form
from jaxcnn.training.parallel import wait_for
from jaxcnn.training.run import make_run

_QUICK = flags.DEFINE_bool("quick", False, "Few networks and short turns: about a minute.")
_NETWORKS = flags.DEFINE_list("networks", [], "The networks to measure; wildcards are allowed.")
_MEMBERS = flags.DEFINE_list("members", [], "Numbers of members, such as 4,16.")
_FORM = flags.DEFINE_list(
    "form", [], "Devices and members of each, such as 2,1, in place of the usual form."
)
_JSON = flags.DEFINE_string("json", "", "The file that the results are written to, as JSON.")

NETWORKS = ("mlp_model2", "lenet", "mnist_small", "mnist_bn_dropout", "mnist_small_bn")
QUICK_NETWORKS = ("mlp_model2", "mnist_small")
MEMBERS, QUICK_MEMBERS = (1, 4, 16, 64), (4,)
STEPS, QUICK_STEPS = 10, 5
TURNS, QUICK_TURNS = 9, 5


class Separate:
    """One run with its default devices."""

    def __init__(self, config: Any, dataset: Any):
        self.run = make_run(config, dataset)
        self.state = self.run.state
        start = self.run.plan.position()
        self.data, self.order, _ = next(self.run.train_feed(start))
        self.numbers = self.run.epoch_numbers(start)

    def train(self, num_steps: int) -> float:
        """Train some steps; return the seconds."""
        started, sums = time.perf_counter(), None
        for _ in range(num_steps):
            previous = sums
            self.state, sums = self.run.train_step(self.state, self.data, self.numbers, self.order)
            wait_for(previous)
        jax.block_until_ready(sums)
        return time.perf_counter() - started


class Together:
    """A population of seeds."""

    def __init__(self, config: Any, dataset: Any, num_members: int, form: Form | None):
        configs = [
            with_values(config, {"seed": seed, "num_devices": 1}) for seed in range(num_members)
        ]
        runs, variation = make_member_runs(configs, dataset)
        run = runs[0].run
        network = run.plan.network
        self.form = form or choose_form(network, num_members, jax.local_device_count())
        self.programs = MemberPrograms(variation, self.form, network, 1)
        put, width = self.programs.put, self.form.width
        starts = range(0, num_members, width)
        chunks = [[*runs[start : start + width], *[runs[0]] * width][:width] for start in starts]
        self.states = [put([member.run.state for member in chunk]) for chunk in chunks]
        self.values = [put([member.values for member in chunk]) for chunk in chunks]
        numbers = jax.device_get(run.epoch_numbers(run.plan.position()))
        self.numbers = put([numbers] * width)
        self.order = put([run.train_order(0)[0]] * width)
        self.data = {n: self.programs.put_on_all(a) for n, a in run.data["train"].items()}

    def train(self, num_steps: int) -> float:
        """Train all members some steps; return the seconds."""
        started = time.perf_counter()
        for index, values in enumerate(self.values):
            state, sums = self.states[index], None
            for _ in range(num_steps):
                previous = sums
                state, sums = self.programs.step(state, values, self.data, self.numbers, self.order)
                wait_for(previous)
            jax.block_until_ready(sums)
            self.states[index] = state
        return time.perf_counter() - started


def measure(network: str, num_members: int, form: Form | None) -> dict[str, Any]:
    """Return the row of a network and a number of members."""
    config = load_config(network, "train_step")
    config.validation = "test"
    dataset = noise(config, 40 * config.global_batch_size, config.global_batch_size)
    separate, together = Separate(config, dataset), Together(config, dataset, num_members, form)
    steps, turns = (QUICK_STEPS, QUICK_TURNS) if _QUICK.value else (STEPS, TURNS)
    separate.train(2)
    together.train(2)
    times = [(separate.train(steps), together.train(steps)) for _ in range(turns)]
    ratios = sorted(num_members * alone / all_members for alone, all_members in times)
    images = num_members * steps * config.global_batch_size
    return {
        "network": network,
        "members": num_members,
        "form": str(together.form),
        "images_per_second": images / statistics.median(seconds for _, seconds in times),
        "speedup_over_separate_runs": statistics.median(ratios),
        "lowest_ratio": ratios[0],
        "highest_ratio": ratios[-1],
    }


def _numbers(flag: flags.FlagHolder[list[str]]) -> list[int]:
    """Return the positive whole numbers of a flag.

    Raises:
      UserError: a word is no such number.
    """
    for word in flag.value:
        if not word.isdecimal() or int(word) == 0:
            raise UserError(f"--{flag.name}: {word!r} must be a positive whole number")
    return list(map(int, flag.value))


def main(arguments: list[str]) -> None:
    """Measure the networks one by one; print and write the table."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}; flags begin with --")
    results.check_json(_JSON.value)
    networks = choose_networks(_NETWORKS.value, QUICK_NETWORKS if _QUICK.value else NETWORKS)
    counts = _numbers(_MEMBERS) or (QUICK_MEMBERS if _QUICK.value else MEMBERS)
    form_numbers = _numbers(_FORM)
    if len(form_numbers) not in (0, 2):
        raise UserError("--form: must be two numbers, devices and members of each, such as 2,1")
    form = Form(*form_numbers) if form_numbers else None
    table = Table("network", "members", "form", "images/s", "speed-up", "range")
    rows = []
    for network in networks:
        for num_members in counts:
            row = measure(network, num_members, form)
            rows.append(row)
            table.add_row(
                network,
                str(num_members),
                row["form"],
                f"{row['images_per_second']:,.0f}",
                f"{row['speedup_over_separate_runs']:.2f}",
                f"{row['lowest_ratio']:.2f} to {row['highest_ratio']:.2f}",
            )
            jax.clear_caches()
    Console(width=110).print(table)
    if _JSON.value:
        results.write_results(Path(_JSON.value), "population", rows)


if __name__ == "__main__":
    command.run(main)

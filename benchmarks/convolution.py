"""jaxcnn's CPU convolutions against XLA's, on one core: `python benchmarks/convolution.py`.

Each layer runs alone: forward, image gradient and kernel gradient. XLA's form and the form that
jaxcnn chooses take turns; the table gives medians, without a ratio where both are the same.
`--bfloat16` compares jaxcnn's forms in float32 and in bfloat16. Run it on an idle machine.
"""

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path

from jaxcnn.errors import UserError
from jaxcnn.process import command, heap, host

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
os.environ["JAX_PLATFORMS"] = "cpu"
host.prepare()
heap.tidy_after_compiling()

import jax  # noqa: E402  (after `prepare`)
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from absl import flags  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import results  # noqa: E402
from jaxcnn.ops.cpu_choice import cpu_forms  # noqa: E402
from jaxcnn.ops.xla_convolution import XLA, by_xla  # noqa: E402

_JSON = flags.DEFINE_string("json", "", "File to write the results to, as JSON.")
_BFLOAT16 = flags.DEFINE_bool("bfloat16", False, "Compare float32 with bfloat16.")

LAYERS = (  # layer, batch per core, image side, inputs, outputs, kernel side, padding
    ("lenet, first", 64, 32, 3, 6, 5, "valid"),
    ("lenet, second", 64, 14, 6, 16, 5, "valid"),
    ("mnist_vanilla, second", 32, 26, 16, 32, 3, "valid"),
    ("mnist_vanilla, fourth", 32, 12, 10, 16, 3, "valid"),
    ("mnist_bn_dropout, second", 64, 26, 12, 20, 3, "valid"),
    ("simpler_cnn, first", 32, 32, 3, 32, 3, "same"),
    ("simpler_cnn, second", 32, 32, 32, 32, 3, "same"),
    ("simpler_cnn, fourth", 32, 16, 64, 64, 3, "same"),
    ("simpler_cnn, sixth", 32, 8, 128, 128, 3, "same"),
    ("alexnet, second", 64, 4, 96, 256, 5, "same"),
    ("vgg16_bn, ninth", 64, 4, 512, 512, 3, "same"),
    ("resnet50, stage 2", 64, 9, 256, 64, 1, "same"),
    ("resnet50, stage 4", 64, 3, 256, 256, 3, "same"),
    ("resnet50, stage 5", 64, 2, 512, 512, 3, "same"),
    ("googlenet, stem", 64, 15, 192, 192, 3, "valid"),
)
NAMES = ("forward", "images' gradient", "kernel's gradient")
TURNS, TURN_SECONDS = 9, 0.03


def seconds_in_turns(calls: list[tuple[Callable, list[jax.Array]]]) -> list[float]:
    """Return the seconds that each function takes with its arrays, as medians over turns."""
    compiled = [(jax.jit(function), arrays) for function, arrays in calls]
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(TURNS + 1):  # the first turn compiles
        for (function, arrays), seconds in zip(compiled, times, strict=True):
            count, started = 0, time.perf_counter()
            while count == 0 or time.perf_counter() - started < TURN_SECONDS:
                jax.block_until_ready(function(*arrays))
                count += 1
            seconds.append((time.perf_counter() - started) / count)
    return [float(np.median(seconds[1:])) for seconds in times]


def measure(
    batch: int, side: int, inputs: int, outputs: int, size: int, padding: str
) -> dict[str, list[float]]:
    """Return the seconds of the first form and, where it differs, of the second, by function."""
    rng = np.random.default_rng(0)
    images, kernel = (
        jnp.asarray(rng.standard_normal(shape, np.float32))
        for shape in ((batch, side, side, inputs), (size, size, inputs, outputs))
    )
    arrays = [images, kernel, by_xla(images, kernel, padding)]
    sides = [(XLA, arrays), (cpu_forms(images, kernel, padding), arrays)]
    if _BFLOAT16.value:
        narrow = [x.astype(jnp.bfloat16) for x in arrays]
        sides = [sides[1], (cpu_forms(*narrow[:2], padding), narrow)]
    row = {}
    for index, name in enumerate(NAMES):
        calls = [
            (functools.partial(forms[index], padding=padding), arrays[: 2 if index == 0 else 3])
            for forms, arrays in sides
        ]
        is_same = sides[0][0][index] == sides[1][0][index]
        row[name] = seconds_in_turns(calls[:1] if is_same else calls)
    return row


def main(arguments: list[str]) -> None:
    """Measure all layers and print the table."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}")
    results.check_json(_JSON.value)
    rows = []
    for name, *shape in LAYERS:
        batch, side, inputs, outputs, size, _ = shape
        layer = f"{name}: {batch}x{side}x{side}, {inputs} to {outputs}, {size}x{size}"
        rows.append({"layer": layer} | measure(*shape))
    if _JSON.value:
        results.write_results(Path(_JSON.value), "convolution", rows)
    compared = "float32 / bfloat16" if _BFLOAT16.value else "XLA's form / ours"
    table = Table(title=f"ms on one core: {compared}, ratio")
    for heading in ("layer", *(cell for name in NAMES for cell in (name, "ratio"))):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for row in rows:
        cells = [row["layer"]]
        for name in NAMES:
            ratio = f"{row[name][0] / row[name][1]:.2f}" if len(row[name]) > 1 else ""
            cells += [" / ".join(f"{1e3 * seconds:.2f}" for seconds in row[name]), ratio]
        table.add_row(*cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    command.run(main)

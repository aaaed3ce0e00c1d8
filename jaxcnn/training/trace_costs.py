"""The costliest operations in a trace of `jax.profiler`, named by layers.

XLA compiles a layer to several operations, whose names say little. The program's text gives the
operation of JAX behind each, with the layer in which it was called.
"""

import dataclasses
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
from jax.profiler import ProfileData

_STEP_PARTS = ("batch", "optimizer", "exchange")  # named scopes of `training.step` and `parallel`
_SOURCE = re.compile(r'^\s*(?:ROOT )?%?([\w.-]+) = .*?op_name="([^"]*)"', re.MULTILINE)


class _Operation(NamedTuple):
    """An operation of a compiled program, by XLA's names."""

    program: str
    module: str
    name: str


@dataclasses.dataclass(frozen=True)
class Cost:
    """The time of a layer, forward or backward, or of another part of the step.

    Attributes:
      name: such as "conv2, backward".
      share: of the time of all operations, 0 to 1.
      seconds: the time, as a mean over the devices.
      operation: the costliest of its operations, by XLA's name.
      source: JAX's name of that operation, with all functions around it; may be empty.
    """

    name: str
    share: float
    seconds: float
    operation: str
    source: str


def costliest(folder: Path, layers: Sequence[str], number: int) -> list[Cost]:
    """Return the costliest parts of the traced programs, at most `number`, in descending order.

    The programs must be alive.

    Args:
      folder: holds the trace, `*.xplane.pb`.
      layers: the paths of the network's layers.
    """
    times, num_devices = _read(folder)
    sources = _find_sources(times)
    parts: dict[str, Counter[_Operation]] = {}
    for operation, time in times.items():
        part = _part(operation.name, sources[operation], layers)
        parts.setdefault(part, Counter())[operation] += time
    totals = Counter({name: operations.total() for name, operations in parts.items()})
    costs = []
    for name, time in totals.most_common(number):
        operation = max(parts[name], key=parts[name].__getitem__)
        costs.append(
            Cost(
                name=name,
                share=time / totals.total(),
                seconds=time / num_devices / 1e9,
                operation=operation.name,
                source=sources[operation],
            )
        )
    return costs


def _read(folder: Path) -> tuple[Counter[_Operation], int]:
    """Return the nanoseconds of each operation over all devices, and the number of devices."""
    times: Counter[_Operation] = Counter()
    devices = set()
    profile = ProfileData.from_file(str(next(folder.glob("*.xplane.pb"))))
    # on Python 3.13, jaxlib's types cause a warning when they are made
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        for plane in profile.planes:
            for line in plane.lines:
                events = []
                for event in line.events:
                    stats = {name: str(value) for name, value in event.stats}
                    if "hlo_op" in stats:
                        devices.add((plane.name, stats.get("device_ordinal")))
                        program, module = stats.get("program_id", ""), stats.get("hlo_module", "")
                        operation = _Operation(program, module, stats["hlo_op"])
                        events.append((round(event.start_ns), round(event.end_ns), operation))
                for operation, time in _own_times(events):
                    times[operation] += time
    return times, max(1, len(devices))


def _own_times(events: list[tuple[int, int, _Operation]]) -> Iterator[tuple[_Operation, int]]:
    """Yield each event's time, and subtract it from the event around it, such as a loop."""
    stack: list[tuple[int, _Operation]] = []
    for start, end, operation in sorted(events, key=lambda event: (event[0], -event[1])):
        while stack and stack[-1][0] <= start:
            stack.pop()
        yield operation, end - start
        if stack:
            yield stack[-1][1], start - end
        stack.append((end, operation))


def _find_sources(times: Counter[_Operation]) -> dict[_Operation, str]:
    """Return JAX's name of each operation; "" for one that XLA added."""
    names: dict[tuple[str, str], set[str]] = {}
    for operation in times:
        names.setdefault(operation[:2], set()).add(operation.name)
    modules = [
        module
        for program in jax.local_devices()[0].client.live_executables()
        for module in program.hlo_modules()
    ]
    sources = {}
    for (program, module_name), operations in names.items():
        # several programs may share a name; the traced one has all of these operations
        texts = [module.to_string() for module in modules if module.name == module_name]
        tables = [dict(_SOURCE.findall(text)) for text in texts]
        table = max(tables, key=lambda table: len(operations & table.keys()), default={})
        for name in operations:
            sources[_Operation(program, module_name, name)] = table.get(name, "")
    return sources


def _part(operation: str, source: str, layers: Sequence[str]) -> str:
    """Return the part of the step to which an operation belongs.

    It is a layer, with the direction, or one of `_STEP_PARTS`. For operations outside of them it is
    JAX's name of the operation, or XLA's without its number.
    """
    path = re.sub(r"\w*\(|\)", "", source)  # jit(f)/jvp(conv1)/dot_general: f/conv1/dot_general
    layers = [layer for layer in layers if f"/{layer}/" in path]
    if layers:
        return max(layers, key=len) + (", backward" if "transpose(" in source else ", forward")
    parts = [part for part in _STEP_PARTS if f"/{part}/" in path]
    return parts[0] if parts else path.rpartition("/")[2] or operation.rstrip(".0123456789")

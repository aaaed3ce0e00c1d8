"""Guards a refactoring against numeric drift: trains small runs and hashes what they leave.

    python tests/pin.py --write pin.json                    # with the code before
    python tests/pin.py --check pin.json                    # with the code after; 1: differences
    python tests/pin.py --check pin.json --only muon --code ../other    # one run, a checkout

Each run is a process of `python -m jaxcnn.main` on the CPU, and nothing of jaxcnn is imported here,
so that the script outlives a move of its modules. The hashes hold on one machine only. Compiled
programs are kept in the system's temporary folder: without them it takes several times as long.
"""

import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Aspects = dict[str, dict[str, str]]  # of a run: what is compared, by aspect and by item

GREY, COLOUR = "GREY", "COLOUR"  # in an argument: the folder of generated pictures
SHOWN, FAILURE = 5, "failure"  # items of a difference; the aspect of a run that failed
# Not numbers of the training: how long it took, and digests of files that hold such times.
EXCLUDED = re.compile(r"seconds|per_second|minutes|memory|version|command|digest")
STATE = {"params": "weights", "batch_stats": "weights", "ema": "weights", "opt_state": "optimizer"}


@dataclasses.dataclass(frozen=True)
class Run:
    """What is trained.

    Attributes:
      config: a file in `configs/`, with its variant; "" is the quickstart.
      overrides: `name=value` of the config's fields.
      then: overrides with which the same command goes on in the same folder, if any.
      devices: the simulated devices of each process.
      processes: how many train together.
      evaluate: the arguments of each `python -m jaxcnn.evaluate` that follows.
    """

    config: str
    overrides: str
    then: str = ""
    devices: int = 1
    processes: int = 1
    evaluate: tuple[str, ...] = ()


MNIST = f"dataset.name=folder:{GREY} global_batch_size=32 augment.mixup=0.2 "
RUNS = {  # the longest first
    "googlenet": Run(
        "googlenet.py",
        f"dataset.name=folder:{COLOUR} num_epochs=1 steps_per_epoch=2 global_batch_size=4",
    ),
    "lenet": Run("", "num_epochs=2", evaluate=("--split=validation",)),
    "mnist": Run(
        "mnist.py:bn_dropout",
        MNIST + "num_epochs=2 optimizer.ema_decay=0.9 evaluate_train=True",
        evaluate=("--split=train", "--split=test --checkpoint=best"),
    ),
    "muon": Run(
        "",
        f"dataset.name=folder:{COLOUR} dataset.scaling=zscore_per_channel num_epochs=2 "
        "global_batch_size=16 optimizer.name=muon optimizer.weight_decay=0.05 augment.crop=4 "
        "augment.flip=alternating loss.label_smoothing=0.05 schedule.warmup_epochs=1.0",
    ),
    "streaming": Run(
        "",
        f"dataset.name=folder:{COLOUR} dataset.streaming=True num_epochs=2 global_batch_size=16 "
        "optimizer.accumulation_steps=2 optimizer.gradient_clip=1.0 loss.l2=0.001",
    ),
    "processes": Run("", "num_epochs=1 validation=tail augment.cutmix=1.0", processes=2),
    "resumed": Run(
        "",
        "num_epochs=1 checkpoint.every_steps=8 augment.cutout=8 optimizer.name=nesterov",
        then="num_epochs=2 checkpoint.every_steps=8 augment.cutout=8 optimizer.name=nesterov",
        evaluate=("--split=validation",),
    ),
    "pmap": Run("mnist.py:bn_dropout", MNIST + "num_epochs=1 parallel=pmap", devices=2),
    "shard_map": Run("mnist.py:bn_dropout", MNIST + "num_epochs=1 parallel=shard_map", devices=2),
}


def write_pictures(folder: Path, shape: tuple[int, ...]) -> None:
    """Writes noisy pictures of three classes, which differ in brightness."""
    from PIL import Image

    random = np.random.default_rng(0)
    for label in range(3):
        (folder / f"class{label}").mkdir(parents=True)
        for index in range(30):
            pixels = random.integers(0, 176, shape) + 40 * label
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.save(folder / f"class{label}" / f"{index}.png")


def call(name: str, arguments: list[str], *, code: Path, scratch: Path, devices: int = 1) -> None:
    """Runs Python on the code, without the user's settings of JAX.

    Raises:
      RuntimeError: it has failed; the error says what it wrote last.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JAX_", "XLA_", "TFDS_", "PYTHON"))
    } | {
        "JAX_COMPILATION_CACHE_DIR": str(Path(tempfile.gettempdir(), "jaxcnn-pin-cache")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(code),
        "TFDS_DATA_DIR": str(scratch / "data"),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=code, capture_output=True, text=True
    )
    if done.returncode:
        said = done.stdout[-500:] + done.stderr[-2000:]
        raise RuntimeError(f"{name}: exit status {done.returncode} of {arguments}\n{said}")


def train(name: str, run: Run, code: Path, scratch: Path) -> Path:
    """Trains and evaluates a run; returns its folder."""
    workdir = scratch / name
    at = [f"--workdir={workdir}"]
    calls, program = [], ["-m", "jaxcnn.main"]
    if run.processes > 1:
        program = ["launch/local.py", f"--processes={run.processes}", "--"]
    if run.config:
        at.append(f"--config=configs/{run.config}")
    for overrides in filter(None, (run.overrides, run.then)):
        for kind in (GREY, COLOUR):
            overrides = overrides.replace(kind, str(scratch / "pictures" / kind))
        fields = [f"--config.{override}" for override in overrides.split()]
        calls.append([*program, *at, *fields])
    calls += [["-m", "jaxcnn.evaluate", at[0], *options.split()] for options in run.evaluate]
    for arguments in calls:
        call(name, arguments, code=code, scratch=scratch, devices=run.devices)
    return workdir


def short_hash(data: bytes) -> str:
    """The first 16 digits of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def read_state(workdir: Path) -> Aspects:
    """The hash of each array in the newest checkpoint, read with Orbax alone."""
    import jax
    import orbax.checkpoint as ocp

    logging.getLogger("absl").setLevel(logging.ERROR)
    steps = [int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdigit()]
    folder = (workdir / "checkpoints" / str(max(steps)) / "state").absolute()
    with ocp.PyTreeCheckpointer() as checkpointer:
        tree = checkpointer.metadata(folder).item_metadata.tree
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        state = checkpointer.restore(folder, restore_args=as_numpy)
    aspects: Aspects = {"weights": {}, "optimizer": {}, "counters": {}}
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        array = np.asarray(leaf)
        hashed = f"{array.dtype} {array.shape} {short_hash(array.tobytes())}"
        aspects[STATE.get(path[0].key, "counters")][jax.tree_util.keystr(path)] = hashed
    return aspects


def numbers(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The numbers in a JSON value, each with its key path; no words, no times."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if not EXCLUDED.search(key):
                yield from numbers(entry, f"{path}.{key}")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from numbers(entry, f"{path}[{index}]")
    elif isinstance(value, int | float):
        yield path, repr(value)


def read_numbers(workdir: Path) -> Aspects:
    """The numbers in the run's records."""
    rows = (workdir / "metrics.jsonl").read_text().splitlines()
    aspects = {
        "metrics": dict(numbers([json.loads(row) for row in rows], "metrics.jsonl")),
        "result": dict(numbers(json.loads((workdir / "result.json").read_text()), "result.json")),
        "evaluation": {},
    }
    for path in sorted((workdir / "evaluation").glob("*.json")):
        aspects["evaluation"] |= numbers(json.loads(path.read_text()), path.name)
    return aspects


def file_names(workdir: Path) -> dict[str, str]:
    """The files of a run; of TensorBoard's, which are named after the time, how many; of a
    checkpoint, whose files are named at random, its step."""
    names = [path.relative_to(workdir) for path in workdir.rglob("*") if path.is_file()]
    events = [name for name in names if name.parts[0] == "tensorboard"]
    shown = {name: 2 if name.parts[0] == "checkpoints" else None for name in names}
    kept = {"/".join(name.parts[: shown[name]]) for name in names if name not in events}
    return dict.fromkeys(sorted(kept), "") | {"tensorboard": str(len(events))}


def field_names(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """The flattened names of a config's fields; a new field is no difference."""
    names: dict[str, str] = {}
    for key, value in config.items():
        inner = isinstance(value, dict)
        names |= field_names(value, f"{prefix}{key}.") if inner else {prefix + key: ""}
    return names


def pin(name: str, code: Path, scratch: Path) -> Aspects:
    """What a run leaves, by aspect and item; where it fails, what it said as the one aspect."""
    try:
        workdir = train(name, RUNS[name], code, scratch)
    except RuntimeError as error:
        return {FAILURE: {str(error): ""}}
    fields = field_names(json.loads((workdir / "config.json").read_text()))
    records = read_state(workdir) | read_numbers(workdir)
    return records | {"files": file_names(workdir), "fields": fields}


def differences(aspect: str, before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What was lost, what is new, and what changed."""
    lost = [f"lost: {item}" for item in sorted(before.keys() - now.keys())]
    if aspect == "fields":
        return lost
    new = [f"new: {item}" for item in sorted(now.keys() - before.keys())]
    changed = [item for item in sorted(before.keys() & now.keys()) if before[item] != now[item]]
    return lost + new + [f"{item}: {before[item]} before, now {now[item]}" for item in changed]


def check(stored: dict[str, Aspects], found: dict[str, Aspects]) -> int:
    """Prints how the runs differ from the stored ones; returns how many aspects do."""
    count = 0
    for name, aspects in found.items():
        for aspect in sorted(aspects.keys() | stored.get(name, {}).keys()):
            before = stored.get(name, {}).get(aspect, {})
            lines = differences(aspect, before, aspects.get(aspect, {}))
            count += bool(lines)
            more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
            for line in lines[:SHOWN] + more:
                print(f"DIFFERS {name} {aspect}: {line}")
    return count


def main() -> int:
    """Trains all runs, or one, and writes or checks what they leave."""
    parser = argparse.ArgumentParser(description="Guards a refactoring against numeric drift.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="store what the runs leave")
    parser.add_argument("--check", type=Path, metavar="FILE", help="compare with what was stored")
    parser.add_argument("--only", choices=RUNS, help="one run alone")
    parser.add_argument("--code", type=Path, default=Path(__file__).parents[1], help="a checkout")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    options = parser.parse_args()
    stored = json.loads(options.check.read_text()) if options.check else {}
    names = [options.only] if options.only else list(RUNS)
    started, found = time.monotonic(), {}
    with (
        tempfile.TemporaryDirectory(prefix="pin") as scratch,
        concurrent.futures.ThreadPoolExecutor(options.jobs) as pool,
    ):
        write_pictures(Path(scratch, "pictures", GREY), (28, 28))
        write_pictures(Path(scratch, "pictures", COLOUR), (32, 32, 3))
        code = options.code.resolve()
        pinned = pool.map(lambda name: pin(name, code, Path(scratch)), names)
        for name, found[name] in zip(names, pinned, strict=True):
            for aspect, items in found[name].items():
                text = json.dumps(items, sort_keys=True)
                print(f"{name} {aspect} {short_hash(text.encode())}", flush=True)
    seconds, used = time.monotonic() - started, os.times()
    cpu_seconds = used.children_user + used.children_system
    print(f"{len(names)} runs of {code} in {seconds:.0f} s, {cpu_seconds:.0f} s of CPU time")
    if failed := [name for name in names if FAILURE in found[name]]:
        print("\n".join(text for name in failed for text in found[name][FAILURE]))
    elif options.write:
        options.write.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    count = 0
    if options.check:
        count = check(stored, {name: found[name] for name in names if name not in failed})
        print(f"{count} aspects differ, {len(failed)} runs failed")
    return int(count > 0 or len(failed) > 0)


if __name__ == "__main__":
    sys.exit(main())

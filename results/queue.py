"""Train recipes one after another, and keep each one's records: `python results/queue.py --help`.

Each recipe trains in a process of its own, in FOLDER/NAME. A recipe that has ended is skipped, one
that was interrupted goes on. SIGTERM and Ctrl-C save the current run and end the queue.

Start it from a clone that nobody edits, because a run takes its code from there:
`nice -n 19 python results/queue.py ~/queue --archives=~/archives lenet:cifar10 alexnet:cifar10`
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
MINUTES = 4  # between checkpoints
INTERRUPTED = 75  # the exit code of a run that was saved and goes on when it is called again


def run_name(recipe: str) -> str:
    """Return a folder name: `lenet:cifar10 --config.seed=1` gives lenet-cifar10-seed1."""
    config, *flags = recipe.split()
    values = [flag.rpartition(".")[2].replace("=", "") for flag in flags]
    return "-".join([config.replace(":", "-"), *values])


def write_provenance(run: Path, archives: Path | None) -> None:
    """Write the code's commit, the archives' SHA-256 and the run's id to provenance.json."""
    dataset = json.loads((run / "config.json").read_text())["dataset"]["name"]
    files = sorted((archives / dataset).rglob("*")) if archives else []
    commit = subprocess.check_output(["git", "-C", CHECKOUT, "rev-parse", "HEAD"], text=True)
    record = {
        "commit": commit.strip(),
        "archives": {
            str(path.relative_to(archives)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file()
        },
        "run": json.loads((run / "result.json").read_text())["run"],
    }
    (run / "provenance.json").write_text(json.dumps(record, indent=1))


def main() -> None:
    """Train the recipes of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the runs' folders are made")
    parser.add_argument(
        "recipes", nargs="+", help="such as lenet:cifar10 'mlp:model1 --config.seed=1'"
    )
    parser.add_argument("--archives", type=Path, help="published files, a folder for each dataset")
    args = parser.parse_args()
    for recipe in args.recipes:
        run = args.folder.resolve() / run_name(recipe)
        if (run / "provenance.json").exists():
            continue
        command = [sys.executable, "-m", "jaxcnn.main", *_flags(recipe), f"--workdir={run}"]
        child = subprocess.Popen(command, cwd=CHECKOUT)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _, child=child: child.send_signal(number))
        code = child.wait()
        print(f"{recipe}: exit code {code}", flush=True)
        if code == 0:
            write_provenance(run, args.archives)
        elif code == INTERRUPTED:
            sys.exit(code)


def _flags(recipe: str) -> list[str]:
    config, *flags = recipe.split()
    return [f"--config={config}", *flags, f"--config.checkpoint.every_minutes={MINUTES}"]


if __name__ == "__main__":
    main()

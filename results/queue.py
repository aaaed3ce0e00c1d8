"""Train recipes one after another, and keep each one's records: `python results/queue.py --help`.

Each recipe trains in a process of its own, in FOLDER/NAME. A recipe that has ended is skipped, one
that was interrupted goes on. SIGTERM and Ctrl-C save the current run and end the queue.

Start it from a clone that nobody edits, because a run takes its code from there:
`nice -n 19 python results/queue.py ~/queue --archives=~/archives lenet:cifar10 alexnet:cifar10`
"""

import argparse
import hashlib
import json
import re
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
    settings = [flag.removeprefix("--config.").partition("=") for flag in flags]
    values = [name.rpartition(".")[2] + value for name, _, value in settings]
    return re.sub(r"[:/]", "-", "-".join([config, *values]))


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
    folders = {recipe: args.folder.resolve() / run_name(recipe) for recipe in args.recipes}
    if len(set(folders.values())) < len(args.recipes):
        parser.error("two recipes would train in one folder; start a queue for each")
    queue = Queue()
    for recipe, run in folders.items():
        if (run / "provenance.json").exists():
            continue
        code = queue.train(recipe, run)
        print(f"{recipe}: exit code {code}", flush=True)
        if code == 0:
            write_provenance(run, args.archives)
        if queue.is_ending:
            sys.exit(INTERRUPTED)


class Queue:
    """The current run, and whether SIGTERM or Ctrl-C has ended the queue."""

    def __init__(self):
        self.is_ending = False
        self._child: subprocess.Popen | None = None
        self._is_told = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._end)

    def train(self, recipe: str, run: Path) -> int:
        """Train a recipe in a folder, and return the exit code."""
        command = [sys.executable, "-m", "jaxcnn.main", *_flags(recipe), f"--workdir={run}"]
        # a session of its own: a second signal, from the terminal, would end it without saving
        child = subprocess.Popen(command, cwd=CHECKOUT, start_new_session=True)
        self._child, self._is_told = child, False
        self._tell()
        code = child.wait()
        self.is_ending |= code == INTERRUPTED
        return code

    def _end(self, *_: object) -> None:
        self.is_ending = True
        self._tell()

    def _tell(self) -> None:
        """Pass the signal on to the current run, once."""
        if self.is_ending and self._child and not self._is_told:
            self._is_told = True
            self._child.send_signal(signal.SIGTERM)


def _flags(recipe: str) -> list[str]:
    config, *flags = recipe.split()
    return [f"--config={config}", *flags, f"--config.checkpoint.every_minutes={MINUTES}"]


if __name__ == "__main__":
    main()

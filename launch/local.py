"""Train with several processes on this machine, as several hosts would.

    python launch/local.py --processes=2 -- --config=configs/lenet.py

Every `python -m jaxcnn.main` gets the arguments after `--` unchanged. Process 0 writes to the
terminal; the others write only their errors. Ctrl-C and SIGTERM reach all of them.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time

STOPPED = 75  # exit code of a run that is saved and can be resumed
GRACE = 90  # seconds for the others to notice the loss of a process, and to end by themselves


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage="local.py --processes=N [--one_gpu_each] -- ARGUMENTS")
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--one_gpu_each", action="store_true", help="process i uses only GPU i")
    options = parser.parse_args(arguments)
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(options.processes)))
    options.gpus = gpus.split(",")
    if options.processes < 1:
        parser.error("--processes: must be at least 1")
    if options.one_gpu_each and len(options.gpus) < options.processes:
        parser.error(f"--processes: CUDA_VISIBLE_DEVICES names only {len(options.gpus)} GPUs")
    return options


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _start(
    index: int, options: argparse.Namespace, address: str, arguments: list[str]
) -> subprocess.Popen:
    """Start a process, in its own process group: Ctrl-C must not reach it twice."""
    environment = os.environ | {
        "JAX_COORDINATOR_ADDRESS": address,
        "JAX_NUM_PROCESSES": str(options.processes),
        "JAX_PROCESS_ID": str(index),
    }
    if options.one_gpu_each:
        environment["CUDA_VISIBLE_DEVICES"] = options.gpus[index]
    return subprocess.Popen(
        [sys.executable, "-m", "jaxcnn.main", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL if index else None,
        process_group=0,
    )


def _exit_code(processes: list[subprocess.Popen]) -> int:
    """Return the exit code so far: 0 without a failure; any other code goes before `STOPPED`."""
    codes = [process.returncode for process in processes if process.returncode]
    codes.sort(key=lambda code: code == STOPPED)
    return (codes[0] if codes[0] > 0 else 128 - codes[0]) if codes else 0


def _wait(processes: list[subprocess.Popen]) -> int:
    """Wait for all processes; when one fails, stop the others, and kill them after `GRACE`."""
    code, deadline = 0, float("inf")
    while None in [process.poll() for process in processes]:
        if not code and (code := _exit_code(processes)):
            deadline = time.monotonic() + GRACE
            if code != STOPPED:  # else they are stopping, and a second signal would kill them
                _signal(processes, signal.SIGTERM)
        if time.monotonic() > deadline:
            _signal(processes, signal.SIGKILL)
        time.sleep(0.1)
    return code or _exit_code(processes)


def _signal(processes: list[subprocess.Popen], number: int) -> None:
    for process in processes:
        process.send_signal(number)


def main() -> int:
    """Run the group, and return the exit code of the first process that failed, else 0."""
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options, arguments = _options(sys.argv[1:end]), sys.argv[end + 1 :]
    processes: list[subprocess.Popen] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: _signal(processes, number))
    address = f"127.0.0.1:{_free_port()}"
    for index in range(options.processes):
        processes.append(_start(index, options, address, arguments))
    return _wait(processes)


if __name__ == "__main__":
    sys.exit(main())

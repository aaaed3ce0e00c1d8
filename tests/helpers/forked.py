"""A process that runs commands of the package in copies of itself: what they import is imported
once, so that hundreds of them take little time.

It reads lines of JSON from stdin, `{"command": "main", "arguments": […], "folder": "…"}`, and
answers each with `{"code": …, "output": "…", "errors": "…"}`; code None: it took too long.
"""

import json
import os
import runpy
import sys
import tempfile
import time

import jaxcnn.config.check
import jaxcnn.optim.optimizers
import jaxcnn.optim.schedules  # noqa: F401

SECONDS = 300  # after which a command is taken to hang: up to 20 on two quiet cores


def run_in_copy(command, arguments, folder):
    """Runs a command in a copy of this process; gives exit code, stdout and stderr."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if child == 0:
            os.chdir(folder)
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            run(command, arguments)
        code = wait(child)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read())
        return code, *texts


def run(command, arguments):
    """Runs a command as `python -m` does, and ends the process."""
    sys.argv[1:] = arguments
    code = 1
    try:
        runpy.run_module(f"jaxcnn.{command}", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait(child):
    """The exit code of a process; None, and it is killed, where it takes too long."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


if __name__ == "__main__":
    for line in sys.stdin:
        code, output, errors = run_in_copy(**json.loads(line))
        print(json.dumps({"code": code, "output": output, "errors": errors}), flush=True)

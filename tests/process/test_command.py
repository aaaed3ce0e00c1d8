"""What any command can meet is one line, or none, and an exit code; a fault of ours a traceback."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from jaxcnn.errors import UserError
from jaxcnn.process.explain import explain


def start(body, *, resumable=False, environment=(), under="", **options):
    """A command of its own whose body is given, started by a shell after the line `under`."""
    program = f"""
import os, sys, threading
from jaxcnn.process.command import run
def command(arguments):
{textwrap.indent(textwrap.dedent(body), "    ")}
run(command, ["command"], resumable={resumable})
"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | dict(environment)
    shell = ["sh", "-c", f'{under}\nexec "$@"', "sh"]
    command = [*shell, sys.executable, "-c", program]
    return subprocess.Popen(command, env=environment, **pipes | options)


def run(body, **options):
    process = start(body, **options)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("open('/nowhere/file')", "error: /nowhere/file: No such file or directory"),
        ("os.mkdir('/proc/folder')", "error: /proc/folder: No such file or directory"),
        ("raise OSError(122, 'Disk quota exceeded', 'runs')", "error: runs: Disk quota exceeded"),
        ("raise MemoryError", "error: the machine is short of memory or another resource"),
        ('raise RuntimeError("can\'t start new thread")', "error: the machine is short of memory"),
        ("import nothing_of_that_name", "error: the package nothing_of_that_name does not load"),
        ("open(os.devnull, 'w', encoding='utf-8').write('\\udcff')", r"error: '\udcff': is not in"),
    ],
)
def test_a_fault_of_the_machine_is_one_line(body, line):
    code, output, errors = run(body)
    assert (code, output) == (2, "")
    assert errors.startswith(line) and len(errors.splitlines()) == 1


def test_a_fault_of_ours_keeps_its_traceback():
    code, _, errors = run("{}['key']")
    assert code == 1 and "Traceback" in errors and "KeyError: 'key'" in errors
    assert explain(KeyError("key")) is None
    assert explain(ImportError("x", name="jaxcnn.models.lenet")) is None


def test_a_thread_s_error_is_told_unless_orbax_raises_it_again():
    body = """
        thread = threading.Thread(target=lambda: {}['key'])
        thread.start(); thread.join()
        names = {'__name__': 'orbax.checkpoint.writer'}
        thread = threading.Thread(target=eval("lambda: []['again']", names))
        thread.start(); thread.join()
    """
    code, _, errors = run(body)
    assert code == 0 and "KeyError" in errors and "again" not in errors


def test_a_thread_of_ours_that_calls_orbax_is_told_too():
    body = """
        orbax_function = eval("lambda: []['called']", {'__name__': 'orbax.checkpoint.writer'})
        thread = threading.Thread(target=lambda: orbax_function())
        thread.start(); thread.join()
    """
    code, _, errors = run(body)
    assert code == 0 and "TypeError" in errors


def test_of_errors_in_destructors_only_the_echoes_of_checkpoints_are_hidden():
    body = """
        class Lost:
            def __init__(self, error): self.error = error
            def __del__(self): raise self.error
        Lost(RuntimeError("Event loop is closed"))
        Lost(ValueError("Event loop is closed"))
        Lost(RuntimeError("another"))
        async def read():
            try: await Pause()
            except GeneratorExit: raise KeyError("coroutine") from None
        class Pause:
            def __await__(self): yield
        coroutine = read(); coroutine.send(None); del coroutine
    """
    code, _, errors = run(body)
    assert code == 0 and errors.count("Event loop is closed") == 1
    assert "RuntimeError: another" in errors and "KeyError: 'coroutine'" in errors


def test_an_ascii_output_and_one_that_is_closed():
    code, output, errors = run("print('é')", environment={"PYTHONIOENCODING": "ascii"})
    assert (code, output, errors) == (0, "?\n", "")
    assert run("print('text')", under="exec >&-", stdout=None) == (0, None, "")


@pytest.mark.parametrize(
    "body",
    [
        "print('text')",
        "from rich.console import Console; Console().print('x\\n' * 9999)",
        "import jaxcnn.errors as e\ntry: print('text', flush=True)\n"
        "except OSError as error: raise e.UserError('cannot be written') from error",
    ],
)
def test_a_reader_that_left_ends_a_command_quietly(body):
    reader, writer = os.pipe()
    os.close(reader)
    assert run(body, stdout=writer) == (141, None, "")
    os.close(writer)


HOMELESS = """
    import pwd
    def unknown(uid): raise KeyError(uid)
    pwd.getpwuid = unknown
    from jaxcnn.process import host
    from jaxcnn.data.places import find_place
    from jaxcnn.files.owners import allow_unknown_owners
    from etils import epath
    print(host._cache_folder())
    allow_unknown_owners()
    print(epath.Path('/').stat().is_directory)
    find_place('digits')
"""


def test_a_uid_without_a_home_and_a_name():
    environment = dict(os.environ)
    for name in ("HOME", "TFDS_DATA_DIR", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    program = "import os; os.environ.pop('HOME', None)\n" + textwrap.dedent(HOMELESS)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "None\nTrue\n"
    assert "UserError: ~/tensorflow_datasets: there is no such home" in done.stderr


@pytest.mark.parametrize(
    ("value", "base"), [("", "/home/x/.cache"), ("a", "/home/x/.cache"), ("/c", "/c")]
)
def test_a_cache_folder_is_absolute(value, base, monkeypatch):
    from jaxcnn.process import host

    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert str(host._cache_folder()) == f"{base}/jaxcnn/xla"


def test_a_device_that_is_not_there():
    body = "import jax\njax.numpy.zeros(1)"
    code, _, errors = run(body, environment={"JAX_PLATFORMS": "cpuu"})
    assert code == 2 and len(errors.splitlines()) == 1
    assert errors.startswith("error: JAX_PLATFORMS = 'cpuu': JAX finds no such device")


BUSY = """
    import hashlib
    {before}
    print('busy', flush=True)
    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)  # minutes that Python's handlers wait for
"""
IN_TRAINING = "from jaxcnn.process.signals import StopSignal\n    stop = StopSignal().__enter__()"


def test_ctrl_c_while_it_compiles_is_answered_at_once():
    process = start(BUSY.format(before=IN_TRAINING), resumable=True)
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("stopping after this step (minutes if it compiles)")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 128 + signal.SIGINT


def test_ctrl_c_ends_a_command_that_does_not_hear_it():
    process = start(BUSY.format(before=""))
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "interrupted\n")
    assert process.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize("resumable", [True, False])
def test_ctrl_c_ends_a_command_whose_lines_nobody_reads(resumable):
    process = start(BUSY.format(before=""), resumable=resumable)
    assert process.stdout.readline() == "busy\n"
    process.stderr.close()  # Ctrl-C also ends the `tee` of a pipe
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == (75 if resumable else 128 + signal.SIGINT)
    process.stdout.close()


def test_ctrl_c_of_others_does_not_reach_a_job_in_the_background():
    body = "os.kill(os.getpid(), 2); print('on')"
    assert run(body, under='trap "" INT') == (0, "on\n", "")


def test_ctrl_c_that_a_library_makes_another_error_of():
    body = """
        try:
            os.kill(os.getpid(), 2); threading.Event().wait(10)
        except KeyboardInterrupt: raise ImportError('numpy failed to import', name='numpy')
    """
    assert run(body) == (128 + signal.SIGINT, "", "interrupted\n")


def test_ctrl_c_during_the_first_imports(tmp_path):
    (tmp_path / "absl").mkdir()
    (tmp_path / "absl" / "__init__.py").write_text(
        "print(1, flush=True)\nimport time; time.sleep(60)"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxcnn.main"], env=os.environ | {"PYTHONPATH": path}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == -signal.SIGINT


def test_a_library_s_warning_ends_nothing_with_w_error():
    body = "import warnings\nwarnings.warn_explicit('old', DeprecationWarning, 'x.py', 1, 'jax.x')"
    code, _, errors = run(body, environment={"PYTHONWARNINGS": "error"})
    assert code == 0 and "Traceback" not in errors


def test_a_path_with_a_home_directory_or_an_address(monkeypatch):
    from jaxcnn.files.paths import user_path

    monkeypatch.setenv("HOME", "/home/x")
    assert str(user_path("~/runs")) == "/home/x/runs"
    for text in ("gs://bucket/run", "s3://x", "~nobody_of_that_name/run"):
        with pytest.raises(UserError, match=text):
            user_path(text)

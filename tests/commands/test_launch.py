"""Local, SLURM and TPU launch scripts; jaxcnn.main and the clusters' commands have stand-ins."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[2] / "launch"
ARGUMENTS = ["--config=a b.py:c", "--x='\"$HOME $(PWD) $$ \\", "", "two\nlines", "*", "ü"]

# Stands in for jaxcnn.main: tells of itself in a file, then does what BEHAVIOUR has for it.
# A second signal ends it at once, as it does the real one.
PROGRAM = """
import json, os, pathlib, signal, sys, time
index = os.environ.get("JAX_PROCESS_ID", "0")
def stop(number, _):
    global stopping
    signal.signal(number, lambda number, _: os._exit(128 + number))
    stopping = True
stopping = False
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
with open(f"process{index}.json", "a") as file:
    print(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ)}), file=file)
print("said by", index)
os.write(2, f"complained by {index}\\n".encode())  # at once: two write to one pipe
behaviour = json.loads(os.environ.get("BEHAVIOUR", "{}")).get(index, 0)
if behaviour == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if behaviour == "train":
    end = time.monotonic() + 30
    while not stopping and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.3 * (index == "0"))
    pathlib.Path(f"saved{index}").touch()
    behaviour = 75
sys.exit(behaviour)
"""

# A shell's background jobs ignore SIGINT, and so would what they start.
HEED_INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""

COMMANDS = {
    "python": f'exec "{sys.executable}" "$@"',
    "sleep": "",
    "srun": """
        while [[ $1 == -* ]]; do shift; done
        worst=0
        for ((task = 0; task < SLURM_NTASKS; task++)); do
            code=0
            SLURM_PROCID=$task SLURM_LOCALID=$((task % SLURM_NTASKS_PER_NODE)) "$@" || code=$?
            ((code <= worst)) || worst=$code
        done
        exit $worst""",
    "scontrol": """
        case "$1 $2" in
            "show hostnames") [[ $3 == "node[7-8]" ]] && printf 'node7\\nnode8\\n' ;;
            *) echo "$@" >> scontrol.log ;;
        esac""",
    # one host, whose shell gets the command as one string; `states` has what it is found in
    "gcloud": """
        printf '%s\\n' "$@" >> gcloud.log
        case "$4" in
            describe) head -n 1 states; sed -i 1d states ;;
            ssh) for word; do [[ $word != --command=* ]] || bash -c "${word#--command=}"; done ;;
        esac""",
    "pkill": 'echo "$@" >> pkill.log; kill -TERM "$(cat pid)"',
}


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working directory of a test, with the stand-ins in reach."""
    (tmp_path / "jaxcnn").mkdir()
    (tmp_path / "jaxcnn" / "__init__.py").touch()  # found before the package on PYTHONPATH
    for command in ("main", "search"):
        (tmp_path / "jaxcnn" / f"{command}.py").write_text(PROGRAM)
    for name, script in COMMANDS.items():
        executable(tmp_path / "bin" / name, script)
    executable(tmp_path / ".venv" / "bin" / "python", "echo $$ > pid; exec python " + '"$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(place: Path, index: int) -> list[dict]:
    """What process `index` was started with, each time."""
    return [json.loads(line) for line in (place / f"process{index}.json").read_text().splitlines()]


def run(*command, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        list(map(str, command)),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def stopped_by(number: int, command: list, *started: Path, **environment) -> int:
    """The exit code of a command that gets a signal once the files named `started` are there."""
    command = [sys.executable, "-c", HEED_INTERRUPTS, *command]
    with subprocess.Popen(command, env=os.environ | environment) as launcher:
        end = time.monotonic() + 60
        while not all(file.exists() for file in started) and time.monotonic() < end:
            time.sleep(0.02)
        launcher.send_signal(number)
        return launcher.wait(60)


def local(*arguments, **environment) -> subprocess.CompletedProcess:
    return run(sys.executable, LAUNCH / "local.py", *arguments, **environment)


def test_local_starts_a_group_and_passes_the_arguments_on(place):
    ended = local("--processes=3", "--", *ARGUMENTS)
    assert ended.returncode == 0, ended.stderr
    started = [ran(place, index)[0] for index in range(3)]
    addresses = {process["environment"]["JAX_COORDINATOR_ADDRESS"] for process in started}
    assert re.fullmatch(r"127\.0\.0\.1:\d+", addresses.pop()) and not addresses
    for index, process in enumerate(started):
        assert process["arguments"] == ARGUMENTS
        assert process["environment"]["JAX_NUM_PROCESSES"] == "3"
        assert process["environment"]["JAX_PROCESS_ID"] == str(index)
        assert "CUDA_VISIBLE_DEVICES" not in process["environment"]


def test_local_shows_process_0_and_the_errors_of_the_others(place):
    ended = local("--processes=2")
    assert ended.stdout == "said by 0\n"
    assert sorted(ended.stderr.splitlines()) == ["complained by 0", "complained by 1"]


@pytest.mark.parametrize("visible, expected", [("", ["0", "1"]), ("5,7,9", ["5", "7"])])
def test_local_gives_each_process_a_gpu(place, visible, expected):
    ended = local("--processes=2", "--one_gpu_each", CUDA_VISIBLE_DEVICES=visible)
    assert ended.returncode == 0, ended.stderr
    given = [ran(place, index)[0]["environment"]["CUDA_VISIBLE_DEVICES"] for index in range(2)]
    assert given == expected


@pytest.mark.parametrize("behaviour, code", [(2, 2), ("killed", 137)])
def test_local_ends_the_others_when_one_fails(place, behaviour, code):
    behaviours = {"0": "train", "1": behaviour, "2": "train"}
    assert local("--processes=3", BEHAVIOUR=json.dumps(behaviours)).returncode == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_local_forwards_a_signal_once_and_all_save(place, number):
    command = [sys.executable, LAUNCH / "local.py", "--processes=2"]
    started = place / "process0.json", place / "process1.json"
    assert stopped_by(number, command, *started, BEHAVIOUR='{"0": "train", "1": "train"}') == 75
    assert (place / "saved0").exists() and (place / "saved1").exists()


def test_local_names_a_mistake(place):
    assert "at least 1" in local("--processes=0").stderr
    few = local("--processes=2", "--one_gpu_each", CUDA_VISIBLE_DEVICES="0")
    assert "names only 1 GPUs" in few.stderr
    assert local("--processes=2", "--config=forgot_the_dashes.py").returncode == 2
    assert not list(place.glob("*.json"))


@pytest.mark.slow
def test_two_real_processes_train_the_digits(tmp_path):
    arguments = f"--workdir={tmp_path / 'run'}", "--config.num_epochs=2"
    ended = local("--processes=2", "--", *arguments, TFDS_DATA_DIR=str(tmp_path / "data"))
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "run" / "result.json").read_text())["num_epochs"] == 2


def slurm(*arguments, nodes=2, tasks_per_node=1, **environment) -> subprocess.CompletedProcess:
    allocation = {
        "SLURM_JOB_ID": "4100",
        "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_NTASKS": str(nodes * tasks_per_node),
        "SLURM_NTASKS_PER_NODE": str(tasks_per_node),
    }
    return run(LAUNCH / "slurm.sh", *arguments, **allocation, **environment)


@pytest.mark.parametrize("tasks_per_node, gpus", [(1, ["0,1,2,3"] * 2), (2, ["0,1", "2,3"] * 2)])
def test_slurm_shares_out_a_nodes_gpus(place, tasks_per_node, gpus):
    node = {"SLURM_GPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "6"}
    ended = slurm(*ARGUMENTS, tasks_per_node=tasks_per_node, **node)
    assert ended.returncode == 0, ended.stderr
    for index, devices in enumerate(gpus):
        (process,) = ran(place, index)
        assert process["arguments"] == ARGUMENTS
        assert {
            "JAX_COORDINATOR_ADDRESS": "node7:61444",
            "JAX_NUM_PROCESSES": str(len(gpus)),
            "JAX_PROCESS_ID": str(index),
            "JAX_LOCAL_DEVICE_IDS": devices,
            "SRUN_CPUS_PER_TASK": "6",
        }.items() <= process["environment"].items()
    assert not (place / "scontrol.log").exists()


@pytest.mark.parametrize(
    "code, restarts, log", [(75, 0, "requeue 4100\n"), (75, 100, ""), (2, 0, "")]
)
def test_slurm_requeues_what_was_stopped(place, code, restarts, log):
    (place / "scontrol.log").touch()
    ended = slurm(BEHAVIOUR=json.dumps({"1": code}), SLURM_RESTART_COUNT=str(restarts))
    assert ended.returncode == code, ended.stderr
    assert (place / "scontrol.log").read_text() == log
    assert "JAX_LOCAL_DEVICE_IDS" not in ran(place, 0)[0]["environment"]  # no GPUs there


def test_a_slurm_array_starts_a_worker_and_requeues_it(place):
    allocation = {"SLURM_JOB_ID": "4103", "SLURM_NTASKS": "1", "SLURM_NTASKS_PER_NODE": "1"}
    arguments = [*ARGUMENTS, "--study=postgresql+psycopg://host/name"]
    stopped = {"BEHAVIOUR": json.dumps({"0": 75}), "SLURM_CPUS_PER_TASK": "6"}
    ended = run(LAUNCH / "slurm_array.sh", *arguments, **allocation, **stopped)
    assert ended.returncode == 75, ended.stderr
    (process,) = ran(place, 0)
    assert process["arguments"] == arguments
    assert process["environment"]["SRUN_CPUS_PER_TASK"] == "6"
    assert (place / "scontrol.log").read_text() == "requeue 4103\n"
    refused = run(LAUNCH / "slurm_array.sh", "--search=seed=0..4", **allocation)
    assert refused.returncode == 2 and "give --study=URL" in refused.stderr


def test_slurm_header_asks_for_what_the_script_relies_on():
    header = re.findall(r"^#SBATCH (\S+)", (LAUNCH / "slurm.sh").read_text(), flags=re.M)
    assert {"--requeue", "--open-mode=append", "--ntasks-per-node=1"} <= set(header)
    assert any(option.startswith("--signal=TERM@") for option in header)  # B: is the script alone


TPU = {"TPU_NAME": "pod", "ZONE": "us-west4-a", "REMOTE_DIR": "."}


@pytest.mark.parametrize("folder", [".", "~/."])
def test_tpu_pod_runs_the_command_on_all_hosts(folder, place):
    ended = run(LAUNCH / "tpu_pod.sh", *ARGUMENTS, **TPU | {"REMOTE_DIR": folder})
    assert ended.returncode == 0, ended.stderr
    assert [process["arguments"] for process in ran(place, 0)] == [["--distributed", *ARGUMENTS]]
    words = (place / "gcloud.log").read_text().splitlines()
    assert words[:5] == ["compute", "tpus", "tpu-vm", "ssh", "pod"]
    assert {"--zone=us-west4-a", "--worker=all"} <= set(words)


@pytest.mark.parametrize("states, runs", [("READY\nREPAIRING\nREADY\nPREEMPTED\n", 3), ("", 1)])
def test_tpu_pod_resumes_while_the_tpu_is_there(place, states, runs):
    (place / "states").write_text(states)
    ended = run(LAUNCH / "tpu_pod.sh", BEHAVIOUR='{"0": 75}', **TPU)
    assert ended.returncode == 75 and "create it again" in ended.stderr
    assert len(ran(place, 0)) == runs


def test_tpu_pod_does_not_repeat_a_mistake(place):
    assert run(LAUNCH / "tpu_pod.sh", BEHAVIOUR='{"0": 2}', **TPU).returncode == 2
    assert len(ran(place, 0)) == 1
    assert "TPU_NAME" in run(LAUNCH / "tpu_pod.sh", ZONE="us-west4-a").stderr


def test_tpu_pod_stops_the_hosts_on_a_signal(place):
    command, started = [LAUNCH / "tpu_pod.sh"], place / "process0.json"
    environment = TPU | {"BEHAVIOUR": '{"0": "train"}'}
    assert stopped_by(signal.SIGINT, command, started, **environment) == 75
    assert (place / "saved0").exists() and len(ran(place, 0)) == 1
    pattern = (place / "pkill.log").read_text().split(" -f ")[1].strip()
    assert re.search(pattern, ".venv/bin/python -m jaxcnn.main --distributed --config=x")
    assert not re.search(pattern, f"bash -c pkill -TERM -f '{pattern}'")


@pytest.mark.parametrize("script", sorted(LAUNCH.rglob("*.sh")), ids=lambda path: path.name)
def test_shell_scripts_parse_and_can_be_executed(script):
    assert run("bash", "-n", script).returncode == 0
    assert os.access(script, os.X_OK)

"""The JobSet, the claim and the Dockerfile agree; submit.py fills in what its options say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[2] / "launch" / "kubernetes"
JOBSET = yaml.safe_load((FOLDER / "jobset.yaml").read_text())
DOCKERFILE = (FOLDER / "Dockerfile").read_text().splitlines()
ARGUMENTS = ["--config=a b.py:c", "--x='\"$HOME $(PWD) $$ \\", "", "two\nlines", "*", "ü"]


def job_and_container(jobset: dict) -> tuple[dict, dict]:
    (replicated,) = jobset["spec"]["replicatedJobs"]
    job = replicated["template"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    return job, container


def test_submit_sets_hosts_gpus_image_and_arguments(tmp_path):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\necho "$@" > kubectl.log; cat > manifest.yaml\n')
    kubectl.chmod(0o755)
    options = "--image=registry/jaxcnn:1", "--name=lenet", "--hosts=4", "--gpus=2"
    command = [sys.executable, FOLDER / "submit.py", *options, "--", *ARGUMENTS]
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "kubectl.log").read_text() == "create --filename=-\n"
    jobset = yaml.safe_load((tmp_path / "manifest.yaml").read_text())
    job, container = job_and_container(jobset)
    assert jobset["metadata"]["name"] == "lenet"
    assert job["completions"] == job["parallelism"] == 4
    assert container["image"] == "registry/jaxcnn:1"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 2}
    assert {"name": "JAX_NUM_PROCESSES", "value": "4"} in container["env"]
    # Kubernetes makes $$ a dollar, and of $(NAME) a variable
    assert [argument.replace("$$", "$") for argument in container["args"]] == ARGUMENTS
    assert not any(re.search(r"(?<!\$)(\$\$)*\$\(", argument) for argument in container["args"])


def test_manifest_agrees_with_itself():
    claim = yaml.safe_load((FOLDER / "volume.yaml").read_text())
    assert (JOBSET["apiVersion"], JOBSET["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    name = JOBSET["spec"]["replicatedJobs"][0]["name"]
    assert JOBSET["spec"]["coordinator"] == {"replicatedJob": name, "jobIndex": 0, "podIndex": 0}
    job, container = job_and_container(JOBSET)
    assert job["completionMode"] == "Indexed" and job["completions"] == job["parallelism"]
    values = [
        variable.get("value") or variable["valueFrom"]["fieldRef"]["fieldPath"]
        for variable in container["env"]
    ]
    assert dict(zip([variable["name"] for variable in container["env"]], values, strict=True)) == {
        "COORDINATOR": "metadata.annotations['jobset.sigs.k8s.io/coordinator']",
        "JAX_COORDINATOR_ADDRESS": "$(COORDINATOR):1234",
        "JAX_NUM_PROCESSES": str(job["completions"]),
        "JAX_PROCESS_ID": "metadata.annotations['batch.kubernetes.io/job-completion-index']",
    }
    assert container["env"][0]["name"] == "COORDINATOR"  # expanded in those after it alone
    volumes = {volume["name"]: volume for volume in job["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_manifest_resumes_what_was_stopped_and_nothing_else():
    job, container = job_and_container(JOBSET)
    assert job["backoffLimit"] == 0 and job["template"]["spec"]["restartPolicy"] == "Never"
    codes = {"containerName": container["name"], "operator": "In", "values": [75]}
    assert job["podFailurePolicy"]["rules"] == [
        {
            "action": "FailJob",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
        {"action": "FailJob", "onExitCodes": codes},
    ]
    (rule,) = JOBSET["spec"]["failurePolicy"]["rules"]
    assert rule["action"] == "RestartJobSetAndIgnoreMaxRestarts"
    assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]
    assert JOBSET["spec"]["failurePolicy"]["maxRestarts"] == 0


def test_dockerfile_agrees_with_the_manifest():
    words = {line.partition(" ")[0]: line.partition(" ")[2] for line in DOCKERFILE}
    job, container = job_and_container(JOBSET)
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {f"{words['WORKDIR']}/runs", words["ENV"].removeprefix("TFDS_DATA_DIR=")} <= mounts
    assert json.loads(words["ENTRYPOINT"]) == ["python", "-m", "jaxcnn.main"]
    assert "command" not in container  # it would replace the entry point
    user = job["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"RUN useradd --create-home --uid {user} {words['USER']}" in DOCKERFILE
    copied = [name for line in DOCKERFILE if line.startswith("COPY") for name in line.split()[1:-1]]
    assert copied and all((FOLDER.parents[1] / name).exists() for name in copied)


def test_the_image_has_the_folders_of_setup_before_the_sources(tmp_path):
    install = next(line for line in DOCKERFILE if "pip install" in line)
    made = install.removeprefix("RUN ").partition(" && ")[0]
    subprocess.run(made, shell=True, check=True, cwd=tmp_path)
    setup = (FOLDER.parents[1] / "setup.py").read_text()
    packages = re.findall(r'"jaxcnn\.(configs[\w.]*)"', setup)
    assert packages and all((tmp_path / name.replace(".", "/")).is_dir() for name in packages)

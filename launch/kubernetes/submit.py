"""Fill in jobset.yaml and submit it with kubectl.

    python launch/kubernetes/submit.py --image=IMAGE --hosts=4 -- --config=configs/lenet.py

Every `python -m jaxcnn.main` gets the arguments after `--` unchanged.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

MANIFEST = Path(__file__).with_name("jobset.yaml")


def filled_in(options: argparse.Namespace, arguments: list[str]) -> dict[str, Any]:
    """Return the JobSet for `options` (name, image, hosts, gpus) and the containers' arguments."""
    jobset = yaml.safe_load(MANIFEST.read_text())
    jobset["metadata"]["name"] = options.name
    job = jobset["spec"]["replicatedJobs"][0]["template"]["spec"]
    job["completions"] = job["parallelism"] = options.hosts
    container = job["template"]["spec"]["containers"][0]
    container["image"] = options.image
    # Kubernetes reads $(NAME) as a variable, and $$ as a $
    container["args"] = [argument.replace("$", "$$") for argument in arguments]
    container["resources"]["limits"]["nvidia.com/gpu"] = options.gpus
    for variable in container["env"]:
        if variable["name"] == "JAX_NUM_PROCESSES":
            variable["value"] = str(options.hosts)
    return jobset


def main() -> int:
    """Pass the JobSet to `kubectl create`, and return its exit code."""
    parser = argparse.ArgumentParser(usage="submit.py --image=IMAGE [options] -- ARGUMENTS")
    parser.add_argument("--image", required=True)
    parser.add_argument("--name", default="jaxcnn", help="name of the JobSet")
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--gpus", type=int, default=8, help="GPUs of each host")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    jobset = filled_in(parser.parse_args(sys.argv[1:end]), sys.argv[end + 1 :])
    command = ["kubectl", "create", "--filename=-"]
    return subprocess.run(command, input=yaml.safe_dump(jobset), text=True).returncode


if __name__ == "__main__":
    sys.exit(main())

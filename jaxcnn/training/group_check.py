"""The check that all processes of a group run the same config, data, code and versions.

Each process computes its share of the same steps. Where they differ, they would train together with
wrong numbers, or wait for each other for minutes.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flax import nnx
from ml_collections import ConfigDict

import jaxcnn
from jaxcnn.config.defaults import flatten
from jaxcnn.config.parts import used_parts
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.views import view_fingerprints, views_of
from jaxcnn.errors import Disagreement
from jaxcnn.process import group
from jaxcnn.process.numerics import numeric_settings
from jaxcnn.text import shorten
from jaxcnn.workdir.digests import digests_of
from jaxcnn.workdir.environment import package_versions
from jaxcnn.workdir.run_files import checkpoint_steps
from jaxcnn.workdir.weights import RunWeights

Facts = dict[str, Any]  # JSON values, by the name that messages show

# Processes may read their data from different folders, with different numbers of workers.
_FIELDS_OF_A_PROCESS = ("dataset.data_dir", "dataset.workers")
_MAX_DIFFERENCES = 4  # in a message


def check_group(
    config: ConfigDict, dataset: Dataset, workdir: Path, start: RunWeights | None
) -> None:
    """Check that all processes of the group have the same config, data, code and versions.

    Every process of the group must call it. Outside a group it does nothing.

    Args:
      config: this process's config.
      dataset: this process's data.
      workdir: the run's folder.
      start: the weights that a new run starts from, if any.

    Raises:
      Disagreement: some differ; the message says which processes differ in what.
    """
    if not group.is_group():
        return
    facts = json.dumps(_facts(config, dataset, workdir, start))
    all_facts = [json.loads(text) for text in group.exchange("the same run", facts)]
    phrases = differences(all_facts)
    if phrases:
        hidden = len(phrases) - _MAX_DIFFERENCES
        more = f"; and {hidden} more" if hidden > 0 else ""
        raise Disagreement(
            f"the processes of the group differ: {'; '.join(phrases[:_MAX_DIFFERENCES])}{more}; "
            "start all with the same command, code and data"
        )


def differences(all_facts: Sequence[Facts]) -> list[str]:
    """Return a phrase for each fact that differs between processes.

    Such a phrase is `config.loss.l2 is 0.0 in process 0, 0.001 in process 1`.

    Args:
      all_facts: the facts of each process, by its index.
    """
    names = dict.fromkeys(name for facts in all_facts for name in facts)
    phrases = []
    for name in names:
        indices_by_value: dict[str, list[int]] = {}
        for index, facts in enumerate(all_facts):
            value = json.dumps(facts[name]) if name in facts else "missing"
            indices_by_value.setdefault(value, []).append(index)
        if len(indices_by_value) > 1:
            parts = (
                f"{shorten(value, 61)} in {_processes(indices)}"
                for value, indices in indices_by_value.items()
            )
            phrases.append(f"{name} is {', '.join(parts)}")
    return phrases


def _processes(indices: list[int]) -> str:
    if len(indices) == 1:
        return f"process {indices[0]}"
    if len(indices) > 3:
        return f"{len(indices)} processes from {indices[0]} on"
    return f"processes {', '.join(map(str, indices[:-1]))} and {indices[-1]}"


def _facts(config: ConfigDict, dataset: Dataset, workdir: Path, start: RunWeights | None) -> Facts:
    """Return everything that must be the same in all processes."""
    fields = {
        f"config.{name}": value
        for name, value in flatten(config).items()
        if name not in _FIELDS_OF_A_PROCESS
    }
    weights = nnx.to_pure_dict(nnx.state(start.model)) if start else {}
    return (
        {
            "JAX_NUM_PROCESSES": group.expected_processes(),
            "--workdir": str(workdir),
            f"the list of checkpoints in {workdir}": checkpoint_steps(workdir),
        }
        | fields
        | _data_facts(config, dataset)
        | {f"the file of {p.kind} {p.name!r}": p.digest[:12] for p in used_parts(flatten(config))}
        | _checksums({"the weights of config.init_from": weights})
        | {f"the version of {name}": version for name, version in package_versions().items()}
        | numeric_settings()
        | _code_facts(Path(jaxcnn.__file__).parent)
    )


def _data_facts(config: ConfigDict, dataset: Dataset) -> Facts:
    """Return the class names, and the digests of the splits and of the run's views of them."""
    views = view_fingerprints(dataset, views_of(config, dataset))
    return (
        {"the list of classes": list(dataset.class_names)}
        | {f"the digest of the {name} split": s.digest[:12] for name, s in dataset.splits.items()}
        | {f"the digest of the {name} examples": digest[:12] for name, digest in views.items()}
    )


def _checksums(parts: Mapping[str, Any]) -> Facts:
    return {f"the checksum of {name}": f"{crc:08x}" for name, crc in digests_of(parts).items()}


def _code_facts(package: Path) -> Facts:
    """Return the checksum of each Python file of the package."""
    files = {path.relative_to(package.parent): path for path in sorted(package.rglob("*.py"))}
    return {
        f"the checksum of {name.as_posix()}": f"{zlib.crc32(path.read_bytes()):08x}"
        for name, path in files.items()
    }

"""Processes of a group must be started alike: each computes its share of the same steps.

Else they train together with wrong numbers, or wait for each other for minutes.
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
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.views import view_fingerprints, views_of
from jaxcnn.errors import Disagreement
from jaxcnn.process import group
from jaxcnn.process.numerics import numeric_settings
from jaxcnn.workdir.digests import digests_of
from jaxcnn.workdir.environment import package_versions
from jaxcnn.workdir.weights import RunWeights

Facts = dict[str, Any]  # by the name that the user is told, as JSON holds them

# What each process may have otherwise: where its data lie, and how many read them.
_OWN_FIELDS = ("dataset.data_dir", "dataset.workers")
_SHOWN = 4  # differences in the line


def check_group(
    config: ConfigDict, dataset: Dataset, workdir: Path, start: RunWeights | None
) -> None:
    """Check that all processes of the group have the same config, data, code and versions.

    A process of its own has nobody to differ from.

    Args:
      start: the network that a new run starts from, if any.

    Raises:
      Disagreement: some differ; the line says which processes differ in what.
    """
    if not group.is_group():
        return
    own = json.dumps(_facts(config, dataset, workdir, start))
    everyones = [json.loads(text) for text in group.exchange("the same run", own)]
    differing = differences(everyones)
    if differing:
        more = f"; and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise Disagreement(
            f"the processes of the group differ: {'; '.join(differing[:_SHOWN])}{more}; start all "
            "with the same command, code and data"
        )


def differences(everyones: Sequence[Facts]) -> list[str]:
    """Return a phrase for each fact that is not the same in all processes, such as
    `config.loss.l2 is 0.0 in process 0, 0.001 in process 1`."""
    names = dict.fromkeys(name for facts in everyones for name in facts)
    phrases = []
    for name in names:
        having: dict[str, list[int]] = {}
        for index, facts in enumerate(everyones):
            value = json.dumps(facts[name]) if name in facts else "missing"
            having.setdefault(value, []).append(index)
        if len(having) > 1:
            parts = (f"{_short(value)} in {_processes(own)}" for value, own in having.items())
            phrases.append(f"{name} is {', '.join(parts)}")
    return phrases


def _short(value: str) -> str:
    return value if len(value) <= 60 else f"{value[:57]}..."


def _processes(indices: list[int]) -> str:
    if len(indices) == 1:
        return f"process {indices[0]}"
    if len(indices) > 3:
        return f"{len(indices)} processes from {indices[0]} on"
    return f"processes {', '.join(map(str, indices[:-1]))} and {indices[-1]}"


def _facts(config: ConfigDict, dataset: Dataset, workdir: Path, start: RunWeights | None) -> Facts:
    """What must be the same in all processes."""
    fields = {f"config.{name}": value for name, value in flatten(config).items()}
    fields = {n: v for n, v in fields.items() if n.removeprefix("config.") not in _OWN_FIELDS}
    steps = sorted(int(path.name) for path in workdir.glob("checkpoints/*") if path.name.isdigit())
    weights = nnx.to_pure_dict(nnx.state(start.model)) if start else {}
    return (
        {
            "JAX_NUM_PROCESSES": group.expected_processes(),
            "--workdir": str(workdir),
            f"the list of checkpoints in {workdir}": steps,
        }
        | fields
        | _data_facts(config, dataset)
        | _checksums({"the weights of config.init_from": weights})
        | {f"the version of {name}": version for name, version in package_versions().items()}
        | numeric_settings()
        | _code_facts(Path(jaxcnn.__file__).parent)
    )


def _data_facts(config: ConfigDict, dataset: Dataset) -> Facts:
    """The classes, and digests of each split and of what the run takes of it."""
    views = view_fingerprints(dataset, views_of(config, dataset))
    return (
        {"the list of classes": list(dataset.class_names)}
        | {f"the digest of the {name} split": s.digest[:12] for name, s in dataset.splits.items()}
        | {f"the digest of the {name} examples": digest[:12] for name, digest in views.items()}
    )


def _checksums(parts: Mapping[str, Any]) -> Facts:
    return {f"the checksum of {name}": f"{crc:08x}" for name, crc in digests_of(parts).items()}


def _code_facts(package: Path) -> Facts:
    """The checksum of each Python file of the package."""
    files = {path.relative_to(package.parent): path for path in sorted(package.rglob("*.py"))}
    return {
        f"the checksum of {name.as_posix()}": f"{zlib.crc32(path.read_bytes()):08x}"
        for name, path in files.items()
    }

"""A trained network as one file that needs jax but not jaxcnn: StableHLO, through `jax.export`.

The file is a zip of two parts. `model.stablehlo` is a function from pixels to logits, for any
number of images, on CPUs, CUDA GPUs and TPUs; it contains the weights and the scaling of the
pixels. `model.json` describes its input and its output. `LOADER` shows how to use them.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export

from jaxcnn.evaluation.trained import Trained
from jaxcnn.files.writing import write_bytes
from jaxcnn.ops.switch import portable

PLATFORMS = ("cpu", "cuda", "tpu")
LOADER = """\
import json, zipfile
import numpy as np
from jax import export  # pip install jax flatbuffers

with zipfile.ZipFile({file!r}) as archive:
    about = json.loads(archive.read("model.json"))
    network = export.deserialize(bytearray(archive.read("model.stablehlo")))

# put your images here: uint8 (images, height, width, channels), 0 to 255
images = np.zeros((3, *about["image_shape"]), np.uint8)
logits = np.asarray(network.call(images))
print([about["class_names"][index] for index in logits.argmax(axis=1)])
"""


def loader(file: Path) -> str:
    """Return the lines of Python that load an exported file and classify images with it."""
    return LOADER.format(file=str(file))


def export_network(trained: Trained, file: Path) -> None:
    """Write the network to a file; after an error there is no partial file.

    The same network gives the same bytes.

    Raises:
      UserError: the file cannot be written.
    """
    parts = {"model.stablehlo": to_stablehlo(trained), "model.json": _to_json(describe(trained))}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part)
    write_bytes(file, content.getvalue())


def to_stablehlo(trained: Trained) -> bytearray:
    """Return the function from pixels to logits, serialized, for a batch of any size.

    It maps uint8 (batch, height, width, channels) to float32 (batch, num_classes).
    """
    (batch,) = export.symbolic_shape("batch")
    pixels = jax.ShapeDtypeStruct((batch, *trained.image_shape), np.uint8)
    # with x64 the sizes would be int64
    with _without_source_paths(), jax.enable_x64(False), portable():
        return export.export(jax.jit(trained.forward), platforms=PLATFORMS)(pixels).serialize()


@contextlib.contextmanager
def _without_source_paths() -> Iterator[None]:
    """Keep the paths of this machine, which JAX records for each operation, out of the file."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


def describe(trained: Trained) -> dict[str, Any]:
    """Return the content of `model.json`: input, output and origin of the exported function."""
    return {
        "network": trained.config.model.name,
        "dataset": trained.config.dataset.name,
        "class_names": trained.class_names,
        "image_shape": trained.image_shape,
        "input": "uint8 (batch, height, width, channels), 0 to 255, "
        + ("gray" if trained.image_shape[-1] == 1 else "RGB"),
        "scaling": {
            "inside": "(pixels - shift) * scale",
            "shift": trained.pixel_shift.tolist(),
            "scale": trained.pixel_scale.tolist(),
        },
        "output": "float32 (batch, classes): logits; their softmax gives the probabilities",
        **({"temperature": trained.temperature} if trained.temperature != 1 else {}),
        "checkpoint": trained.checkpoint,
        "epoch": trained.epoch,
        "step": trained.step,
        "platforms": PLATFORMS,
        "jax": metadata.version("jax"),
    }


def _to_json(about: dict[str, Any]) -> str:
    return json.dumps(about, indent=1) + "\n"

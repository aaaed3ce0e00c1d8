"""A trained network as one file that needs jax but not jaxcnn: StableHLO, through `jax.export`.

The file is a zip of three parts. `model.stablehlo` is a function from pixels to logits, for any
number of images, on CPUs, CUDA GPUs and TPUs; it contains the weights and the scaling of the
pixels. `fit.stablehlo` is a function from a picture of any size to an image of the network's shape.
`model.json` describes them. `LOADER` shows how to use them.
"""

import contextlib
import functools
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export

from jaxcnn.config.parts import fault_in_user_code
from jaxcnn.errors import UserError
from jaxcnn.evaluation.picture_fitting import fit_pixels
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
    fit = export.deserialize(bytearray(archive.read("fit.stablehlo")))

# put your images here: uint8 (images, height, width, channels), 0 to 255
images = np.zeros((3, *about["image_shape"]), np.uint8)
# or a picture of any size: images = fit.call(picture)[None], with uint8 (height, width, channels)
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
    parts = {
        "model.stablehlo": to_stablehlo(trained),
        "fit.stablehlo": fit_to_stablehlo(trained),
        "model.json": _to_json(describe(trained)),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part)
    write_bytes(file, content.getvalue())


def to_stablehlo(trained: Trained) -> bytearray:
    """Return the function from pixels to logits, serialized, for a batch of any size.

    It maps uint8 (batch, height, width, channels) to float32 (batch, num_classes).

    Raises:
      UserError: a user's code needs the size of the batch as a number.
    """
    (batch,) = export.symbolic_shape("batch")
    try:
        return _serialize(trained.forward, (batch, *trained.image_shape))
    except TypeError as error:
        if "_DimExpr" not in str(error):
            raise
        raise UserError(
            f"{fault_in_user_code(error) or error}; the exported batch has no fixed size: use "
            "x.shape[0] in place of len(x)"
        ) from error


def fit_to_stablehlo(trained: Trained) -> bytearray:
    """Return the function that fits a picture as `predict` does, serialized, for any picture.

    It maps uint8 (height, width, channels) to uint8 of the network's `image_shape`, and differs
    from `predict` by at most 1 of 255.
    """
    height, width = export.symbolic_shape("height, width")
    fit = functools.partial(
        fit_pixels, image_shape=trained.image_shape, method=trained.conversion.fit
    )
    return _serialize(fit, (height, width, trained.image_shape[-1]))


def _serialize(function: Callable, shape: tuple[Any, ...]) -> bytearray:
    """Return a function of uint8 pixels of a shape, which may be symbolic, as StableHLO."""
    pixels = jax.ShapeDtypeStruct(shape, np.uint8)
    # with x64 the sizes would be int64
    with _without_source_paths(), jax.enable_x64(False), portable():
        return export.export(jax.jit(function), platforms=PLATFORMS)(pixels).serialize()


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
        "fit": {
            "input": "uint8 (height, width, channels), upright",
            "method": trained.conversion.fit,
        },
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

"""An exported network: loaded where there is no jaxcnn, it gives the same logits."""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest
from commands import run
from flax import nnx
from jax import export
from PIL import Image
from sampling import every

from jaxcnn import models
from jaxcnn.config.defaults import default_config
from jaxcnn.data.pictures.conversion import Conversion
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.errors import UserError
from jaxcnn.evaluation.export import export_network, fit_to_stablehlo, loader, to_stablehlo
from jaxcnn.evaluation.trained import Trained, load_examples, load_trained

ALONE = """
import sys
for name in ("jaxcnn", "flax", "optax", "orbax", "tensorflow_datasets", "PIL"):
    sys.modules[name] = None  # importing it fails
{loader}
pictures = np.load("pictures.npy")
for number in (1, 3, 17):
    np.save(f"logits{{number}}.npy", network.call(pictures[:number]))
"""


@pytest.fixture(scope="module")
def trained(trained_workdir):
    return load_trained(trained_workdir)


@pytest.mark.slow
def test_it_loads_with_jax_alone(trained, tmp_path):
    export_network(trained, tmp_path / "model.zip")
    images = load_examples(trained, "test").images[:17]
    np.save(tmp_path / "pictures.npy", images)
    done = subprocess.run(
        [sys.executable, "-c", ALONE.format(loader=loader("model.zip"))],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(eval(done.stdout)) <= set(trained.class_names)
    expected = trained.logits(images)
    for number in (1, 3, 17):
        logits = np.load(tmp_path / f"logits{number}.npy")
        np.testing.assert_allclose(logits, expected[:number], rtol=1e-5, atol=1e-5)


def test_the_file_says_what_it_is_and_not_where_it_was_made(trained, tmp_path):
    export_network(trained, tmp_path / "model.zip")
    export_network(trained, tmp_path / "again.zip")
    assert (tmp_path / "model.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        about = json.loads(archive.read("model.json"))
        program = archive.read("model.stablehlo")
    assert about["class_names"] == list(trained.class_names)
    assert about["image_shape"] == [32, 32, 1] and about["network"] == "lenet"
    assert b"jaxcnn" not in program and b".py" not in program
    exported = export.deserialize(bytearray(program))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    assert str(exported.in_avals[0]) == "uint8[batch,32,32,1]"


def test_the_file_fits_pictures_of_any_size(trained, tmp_path):
    method = "pad:edge"
    conversion = dataclasses.replace(trained.conversion, fit=method)
    fit_in_file = export.deserialize(
        fit_to_stablehlo(dataclasses.replace(trained, conversion=conversion))
    )
    for size in ((50, 20), (7, 90), (32, 32)):
        picture = np.random.default_rng(0).integers(0, 256, size, np.uint8)
        expected = fit(Image.fromarray(picture), trained.image_shape, method)
        fitted = np.asarray(fit_in_file.call(picture[..., None]))
        assert np.abs(fitted.astype(int) - expected).max() <= 1


def test_a_file_that_cannot_be_written_leaves_nothing(trained, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match="taken cannot be written"):
        export_network(trained, tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.slow
def test_the_command(trained_workdir, tmp_path):
    done = run("jaxcnn.export", f"--workdir={trained_workdir}", "--out=net.zip", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    assert loader("net.zip") in done.stdout
    assert zipfile.is_zipfile(tmp_path / "net.zip")
    done = run("jaxcnn.export", f"--workdir={trained_workdir}", "--out=no/net.zip", cwd=tmp_path)
    assert (
        done.returncode == 2 and done.stderr == "error: --out=no/net.zip: there is no folder no\n"
    )


@pytest.mark.parametrize("name", every(5, models.network_names()))
def test_every_network_takes_a_batch_of_any_size(name):
    entry = models.registry.network_entry(name)
    sizes = {"num_classes": entry.num_classes, "image_shape": entry.image_shape}
    model = models.build(name, **sizes, abstract=True)
    model.eval()
    graph, arrays = nnx.split(model)
    (batch,) = export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, *entry.image_shape), np.float32)
    outputs = jax.eval_shape(lambda arrays, x: nnx.merge(graph, arrays)(x), arrays, images)
    for logits in jax.tree.leaves(outputs):
        assert logits.shape == (batch, entry.num_classes)


@pytest.mark.long
@pytest.mark.parametrize("name", ["googlenet", "resnet50", "mnist_bn_dropout"])
def test_logits_of_larger_networks(name, tmp_path):
    entry = models.registry.network_entry(name)
    model = models.build(name, num_classes=10, image_shape=entry.image_shape)
    model.eval()
    config, names = default_config(), tuple("abcdefghij")
    pixels = (np.float32(120), np.float32(1 / 64))
    run = (tmp_path, config, "best", 0, 0, {}, model)
    trained = Trained(*run, names, entry.image_shape, *pixels, Conversion(), None)
    exported = export.deserialize(to_stablehlo(trained))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (17, *entry.image_shape), dtype=np.uint8)
    expected = trained.logits(images)
    for number in (1, 3, 17):
        logits = exported.call(images[:number])
        np.testing.assert_allclose(logits, expected[:number], rtol=1e-5, atol=1e-5)

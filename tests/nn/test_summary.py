"""The summary: rows, connections, totals, operations, and the command that prints it."""

import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

from jaxcnn import models
from jaxcnn.nn.blocks import Branches
from jaxcnn.nn.layers import AveragePool, Conv, Dense, Flatten
from jaxcnn.reporting.terminal.tables import render_summary


def summary(name):
    entry = models.network_entry(name)
    sizes = {"num_classes": entry.num_classes, "image_shape": entry.image_shape}
    return models.summary(models.build(name, **sizes, abstract=True))


def test_rows_of_a_chain():
    rows = {row.name: row for row in summary("simpler_cnn").rows}
    conv, norm = rows["conv2"], rows["batch_norm2"]
    assert (conv.kind, conv.details, conv.output_shape) == ("Conv", "3x3, same, elu", (32, 32, 32))
    assert (conv.parameters, conv.trainable, conv.inputs) == (9_248, 9_248, ("batch_norm1",))
    assert conv.flops == 2 * 9 * 32 * 32 * 32 * 32
    assert (norm.parameters, norm.trainable, norm.inputs) == (128, 64, ("conv2",))


def test_inputs_of_branches_residuals_and_heads():
    google = {row.name: row for row in summary("googlenet").rows}
    assert google["inception_4b"].inputs == (
        "inception_4b/branch1/conv1",
        "inception_4b/branch2/conv2",
        "inception_4b/branch3/conv2",
        "inception_4b/branch4/conv1",
    )
    assert google["aux1/average_pool1"].inputs == ("inception_4a",)
    assert google["inception_4b/branch1/conv1"].inputs == ("inception_4a",)
    assert google["inception_4c"].output_shape == (11, 11, 472)
    resnet = {row.name: row for row in summary("resnet50").rows}
    projected = ("stage2a/main/batch_norm3", "stage2a/shortcut/batch_norm1")
    assert resnet["stage2a"].inputs == projected
    assert resnet["stage2b"].inputs == ("stage2b/main/batch_norm3", "stage2a")


def test_publications_parameters_by_module():
    rows = summary("googlenet").rows
    published = {"inception_3a": 163_696, "inception_5b": 1_444_080, "aux1": 363_402}
    for module, count in published.items():
        assert sum(r.parameters for r in rows if r.name.startswith(f"{module}/")) == count


def test_a_thin_convolution_in_front_saves_operations():
    """The classic publication's example: 112.9 M multiply-adds against 5.3 M."""
    wide = Conv(48, 5, padding="same")
    thin = [Conv(16, 1), Conv(48, 5, padding="same")]
    layers = [Branches(wide, thin, name="mix"), AveragePool(14), Flatten(), Dense(10)]
    network = models.Network(
        layers, name="example", num_classes=10, image_shape=(14, 14, 480), abstract=True
    )
    flops = {row.name: row.flops for row in models.summary(network).rows}
    assert flops["mix/branch1/conv1"] == 2 * 112_896_000
    assert flops["mix/branch2/conv1"] + flops["mix/branch2/conv2"] == 2 * 5_268_480


def test_table_says_it_all():
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(render_summary(summary("resnet50")))
    text = console.export_text()
    assert "stage5c/main/conv3" in text and "shortcut/batch_norm1" in text
    assert "23,608,202 parameters: 23,555,082 trainable, 53,120 non-trainable" in text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140])
def test_numbers_are_never_cut(width):
    found = summary("googlenet")
    console = Console(width=width, file=io.StringIO())
    console.print(render_summary(found))
    text = console.file.getvalue()
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    words = set(text.split())
    for row in found.rows:
        assert {f"{row.parameters:,}", f"{row.flops:,}"} <= words
    assert ("branch1/conv1," in text) == (width >= 120)


def run(*arguments):
    command = [sys.executable, "-m", "jaxcnn.summary", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_command_lists_as_json():
    done = run("--list", "mnist_small*", "--json")
    assert done.returncode == 0, done.stderr
    listing = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert set(listing) == {"mnist_small", "mnist_small_bn"}
    assert listing["mnist_small_bn"]["parameters"] == 10_844
    assert listing["mnist_small_bn"]["trainable_parameters"] == 10_684


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--network=lenet", "--image_size=8"], "the smallest it takes is 16x16"),
        ([], "give one of --config=FILE, --network=NAME, --workdir=DIR and --list"),
    ],
)
def test_command_answers_mistakes_in_one_line(arguments, words):
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1

"""The benchmarks' own arithmetic and tables; no torch is needed, and nothing is timed."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from jaxcnn import models
from jaxcnn.config.files import config_variants
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import networks  # noqa: E402  (after the path is set)
import recipes  # noqa: E402
import sides  # noqa: E402


def test_every_network_has_a_recipe_and_a_twin():
    configs = config_variants(recipes.FOLDER)
    assert recipes.RECIPES.keys() == networks.NETWORKS.keys()
    assert set(recipes.USUAL) <= recipes.RECIPES.keys()
    for name, config in recipes.RECIPES.items():
        built = configs[config]().model.name
        assert built in (name, "mlp"), name  # mlp_model2 is the mlp with the config's widths


def widths_of_text(text):
    """How many convolutions and dense layers a text has of each width."""
    layers = networks.parse(text) if text else ()
    return Counter((x.kind, x.numbers[0]) for x in layers if x.kind in ("conv", "dense"))


def widths(part):
    match part:
        case networks.Inception():
            return sum(map(widths_of_text, part.branches), Counter())
        case networks.Bottleneck():
            return widths_of_text(part.main) + widths_of_text(part.shortcut)
        case networks.Auxiliary():
            return widths_of_text(part.text)
    return widths_of_text(part)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_a_twin_has_the_layers_of_the_network(name):
    config = recipes.load_config(name, "train_step")
    shape = (28, 28, 1) if config.dataset.name == "mnist" else (32, 32, 3)
    ours = models.build(**config.model, num_classes=10, image_shape=shape, abstract=True)
    rows = [row for row in models.summary(ours).rows if row.kind in ("Conv", "Dense")]
    counts = Counter((row.kind.lower(), row.output_shape[-1]) for row in rows)
    assert sum(map(widths, networks.NETWORKS[name]), Counter()) == counts


def test_a_text_is_read():
    conv, pool, dropout = networks.parse("conv 6 5 stride=2 same relu > max 3 > dropout 0.5")
    assert conv == networks.Layer("conv", [6, 5], stride=2, is_same=True, activation="relu")
    assert pool == networks.Layer("max", [3]) and dropout.numbers == [0.5]


def test_speeds_are_medians_and_ratios():
    rounds = np.array([[100.0, 50.0, 10.0], [120.0, 60.0, 40.0], [300.0, 100.0, 20.0]])
    assert sides.to_speeds(["jaxcnn", "torch", "keras"], rounds) == {
        "images_per_second": 120.0,
        "torch_images_per_second": 60.0,
        "keras_images_per_second": 20.0,
        "ratio_to_torch": 2.0,
        "ratio_to_torch_range": [2.0, 3.0],
        "ratio_to_keras": 6.0,
        "ratio_to_keras_range": [3.0, 15.0],
    }


def test_operations_are_compared_with_a_matrix_product():
    row = {"flops_per_image": 2e6, "images_per_second": 1e4, "product_flops": 1e10}
    found = sides.to_operations(row, 3, product_seconds=0.1)
    assert found["gflops_per_second"] == pytest.approx(60)
    assert found["product_gflops_per_second"] == pytest.approx(100)
    assert found["share_of_product"] == pytest.approx(0.6)


class Clockwork(sides.Process):
    """A process that takes so long for each time it works."""

    def __init__(self, job, seconds):
        self.job, self.count, self.pace, self.counts = job, 1, seconds, []

    def ask(self, method, count):
        self.counts.append(count)

    def receive(self):
        return self.pace * self.counts[-1], 0


def test_rounds_are_lengthened_before_they_count():
    job = sides.Job("lenet", "train_step", None, 0)
    quick, slow = Clockwork(job, 0.01), Clockwork(job, 2.0)
    seconds = sides.take_turns([quick, slow], round_seconds=1.0, until=time.perf_counter() + 60)
    # one to compile, and each turn begins with one that is not timed
    assert quick.counts[:7] == [1, 1, 1, 1, 100, 1, 100] and set(slow.counts) == {1}
    assert seconds == pytest.approx(np.array([[0.01, 2.0]] * sides.MOST_ROUNDS))


def test_slow_sides_take_fewer_turns():
    assert sides.is_worth_another(4, 7.0, 10.0)
    assert not sides.is_worth_another(sides.MOST_ROUNDS, 1.0, 10.0)
    assert sides.is_worth_another(2, 19.0, 10.0) and not sides.is_worth_another(3, 11.0, 10.0)
    assert sides.is_worth_another(0, 99.0, -9.0) and not sides.is_worth_another(1, 9.0, -1.0)


def test_one_round_is_made_when_the_time_is_up():
    job = sides.Job("lenet", "train_step", None, 0)
    late = time.perf_counter() - 1
    assert len(sides.take_turns([Clockwork(job, 2.0)], round_seconds=1.0, until=late)) == 1


def test_a_long_turn_needs_none_to_warm_up():
    process = Clockwork(sides.Job("vgg16_bn", "evaluation", None, 0), sides.LONG_SECONDS)
    assert process.take_turn() == sides.LONG_SECONDS and process.counts == [1]


def test_sides_that_differ_are_refused():
    about = {"parameters": 7, "trainable_parameters": 7, "platform": "cpu"}
    sides.check_equal("lenet", ["jaxcnn", "torch"], [about, dict(about)])
    with pytest.raises(UserError, match="lenet: parameters of jaxcnn, torch differ"):
        sides.check_equal("lenet", ["jaxcnn", "torch"], [about, about | {"parameters": 8}])


def test_results_say_what_was_measured(tmp_path):
    sides.write_results(tmp_path / "x.json", "epoch", [{"network": "lenet"}])
    results = read_json(tmp_path / "x.json")
    assert results["benchmark"] == "epoch" and results["rows"] == [{"network": "lenet"}]
    assert {"jax", "flax", "numpy"} <= results["versions"].keys() and "cores" in results["device"]


def test_a_mistake_is_one_line():
    command = [sys.executable, str(BENCHMARKS / "train_step.py"), "--networks=lennet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "there is no 'lennet'; there are lenet" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

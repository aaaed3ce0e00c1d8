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

import command  # noqa: E402  (after the path is set)
import networks  # noqa: E402
import recipes  # noqa: E402
import rounds  # noqa: E402
import sides  # noqa: E402

import results  # noqa: E402


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
    speeds = np.array([[100.0, 50.0, 10.0], [120.0, 60.0, 40.0], [300.0, 100.0, 20.0]])
    assert results.to_speeds(["jaxcnn", "torch", "keras"], speeds) == {
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
    found = results.to_operations(row, 3, product_seconds=0.1)
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
    seconds = rounds.take_turns([quick, slow], round_seconds=1.0, until=time.perf_counter() + 60)
    # one to compile, and each turn begins with one that is not timed
    assert quick.counts[:7] == [1, 1, 1, 1, 100, 1, 100] and set(slow.counts) == {1}
    assert seconds == pytest.approx(np.array([[0.01, 2.0]] * rounds.MOST_ROUNDS))


def test_slow_sides_take_fewer_turns():
    def is_worth_another(number, seconds, seconds_left):
        return rounds.is_worth_another([[1.0, 2.0]] * number, seconds, seconds_left)

    assert is_worth_another(4, 7.0, 10.0)
    assert not is_worth_another(rounds.MOST_ROUNDS, 1.0, 10.0)
    assert is_worth_another(2, 19.0, 10.0) and not is_worth_another(3, 11.0, 10.0)
    assert is_worth_another(0, 99.0, -9.0) and not is_worth_another(1, 9.0, -1.0)


def test_rounds_go_on_until_two_agree_within_a_tenth():
    apart = [[1.0, 2.0], [1.05, 2.5], [1.2, 2.05]]  # each pair differs on one side
    assert not rounds.agree(apart) and rounds.agree([*apart, [1.06, 2.1]])
    assert not rounds.agree(apart[:1])
    assert rounds.is_worth_another(apart, 11.0, 10.0)
    assert not rounds.is_worth_another([*apart, [1.06, 2.1]], 11.0, 10.0)
    assert not rounds.is_worth_another(apart * rounds.MOST_ROUNDS, 11.0, 10.0)


def test_a_table_says_where_no_two_rounds_agreed(capsys):
    row = {"network": "lenet", "batch_size": 1, "busy_cores": 0.0}
    row |= {"images_per_second": 1.0, "peak_memory_bytes": 1}
    command.show("Title", ["jaxcnn"], [row | {"rounds_agree": True}])
    assert "warning" not in capsys.readouterr().out
    command.show("Title", ["jaxcnn"], [row | {"rounds_agree": False}])
    assert "no two rounds agreed within 10% for lenet" in capsys.readouterr().out


def test_one_round_is_made_when_the_time_is_up():
    job = sides.Job("lenet", "train_step", None, 0)
    late = time.perf_counter() - 1
    assert len(rounds.take_turns([Clockwork(job, 2.0)], round_seconds=1.0, until=late)) == 1


def test_a_long_turn_needs_none_to_warm_up():
    process = Clockwork(sides.Job("vgg16_bn", "evaluation", None, 0), sides.LONG_SECONDS)
    assert process.take_turn() == sides.LONG_SECONDS and process.counts == [1]


def test_sides_that_differ_are_refused():
    about = {"parameters": 7, "trainable_parameters": 7, "platform": "cpu"}
    sides.check_equal("lenet", ["jaxcnn", "torch"], [about, dict(about)])
    with pytest.raises(UserError, match="lenet: parameters of jaxcnn, torch differ"):
        sides.check_equal("lenet", ["jaxcnn", "torch"], [about, about | {"parameters": 8}])


def test_a_checkout_is_a_side(tmp_path):
    sides.check_installed([f"jaxcnn_at={BENCHMARKS.parent}"])
    with pytest.raises(UserError, match="not a checkout of jaxcnn"):
        sides.check_installed([f"jaxcnn_at={tmp_path}"])


def test_a_checkout_runs_its_own_side(tmp_path):
    """Its modules are its own, whatever their layout."""
    (tmp_path / "jaxcnn.py").write_text("name = 'other'\n")
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "recipes.py").write_text("def load_config(network, task): return [network, task]\n")
    (folder / "sides.py").write_text(
        "import collections, jaxcnn\n"
        "Job = collections.namedtuple('Job', 'network task config size')\n"
        "def serve(connection, name, job):\n"
        "    connection.send([name, jaxcnn.name, *job])\n"
    )
    job = sides.Job("lenet", "evaluation", None, 7)
    process = sides.Process(f"jaxcnn_at={tmp_path}", job)
    answer = process.receive()
    assert answer == ["jaxcnn", "other", "lenet", "evaluation", ["lenet", "evaluation"], 7]
    process.close()
    process.wait()


def test_results_say_what_was_measured(tmp_path):
    results.write_results(tmp_path / "x.json", "epoch", [{"network": "lenet"}])
    written = read_json(tmp_path / "x.json")
    assert written["benchmark"] == "epoch" and written["rows"] == [{"network": "lenet"}]
    assert {"jax", "flax", "numpy"} <= written["versions"].keys() and "cores" in written["device"]


@pytest.mark.parametrize(
    ("program", "argument", "message"),
    [
        ("train_step", "--networks=lennet", "there is no 'lennet'; there are lenet"),
        ("population", "--networks=lennet", "there is no 'lennet'; there are lenet"),
        ("population", "--members=4,x", "--members: 'x' must be a positive whole number"),
        ("population", "--form=2", "--form: must be devices, members"),
    ],
)
def test_a_mistake_is_one_line(program, argument, message):
    command = [sys.executable, str(BENCHMARKS / f"{program}.py"), argument]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

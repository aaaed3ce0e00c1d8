"""Devices and backends: 20 steps end at the same parameters, whoever computes them."""

import jax
import numpy as np
import pytest

from jaxcnn import models
from jaxcnn.data import feed
from jaxcnn.data.order import in_batches
from jaxcnn.errors import UserError
from jaxcnn.models import model_config
from jaxcnn.training import parallel
from jaxcnn.training.recipe import make_recipe
from jaxcnn.training.run import make_run
from jaxcnn.training.step import make_train_step

NUM_STEPS = 20
TABLE = ("lenet", "mnist_bn_dropout", "simpler_cnn", "compact_cnn")


@pytest.fixture
def demanding(config):
    """Augmentations that draw by an example's place in its batch, by its place in the dataset, and
    across the batch. 270 examples in batches of 64: every fifth step's is short."""
    config.model = model_config("mlp", hidden=(16,))
    config.optimizer.update(name="momentum", learning_rate=0.01)  # adam makes signs of rounding
    config.augment.update(crop=2, flip="alternating", mixup=0.2)
    return config


def start_of(run, epoch):
    return run.plan.position(epoch * run.plan.steps_per_epoch)


def train(run, step=None, feed_of=None):
    """The parameters and the epoch's sums after 20 steps, which are four epochs."""
    state, step = run.state, step or run.train_step
    feed_of = feed_of or (lambda epoch: next(run.train_feed(start_of(run, epoch)))[:2])
    if run.plan.config.precision == "float64":
        wide = {np.dtype("float32"): np.dtype("float64")}
        state = jax.tree.map(lambda x: x.astype(wide.get(x.dtype, x.dtype)), state)
    for number in range(NUM_STEPS):
        epoch, row = divmod(number, run.plan.steps_per_epoch)
        if row == 0:
            data, order = feed_of(epoch)
            numbers = run.epoch_numbers(run.plan.position(number))
        state, sums = step(state, data, numbers, order)
        jax.block_until_ready(sums)
    return jax.device_get((state.params, sums))


def trained_on(config, dataset, num_devices, backend):
    config.num_devices, config.parallel = num_devices, backend
    return train(make_run(config, dataset))


def largest_difference(a, b):
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: np.abs(x - y).max(), a, b)))


@pytest.mark.slow
def test_20_steps_on_any_number_of_devices(demanding, dataset):
    start = jax.device_get(make_run(demanding, dataset).state.params)
    one, _ = trained_on(demanding, dataset, 1, "pmap")
    assert largest_difference(one, start) > 0.01
    for num_devices, backend in ((4, "shard_map"), (8, "pmap")):
        several, _ = trained_on(demanding, dataset, num_devices, backend)
        assert largest_difference(one, several) < 1e-5, (num_devices, backend)


def test_shares_of_the_data_give_the_same_bits(demanding, dataset):
    """What a group of processes does, on the devices of one."""
    demanding.num_devices, demanding.parallel = 4, "shard_map"
    run = make_run(demanding, dataset)
    model = models.build(**demanding.model, num_classes=4, image_shape=(16, 16, 1), seed=0)
    recipe, _, _ = make_recipe(demanding, dataset, model, run.plan.steps_per_epoch)
    step = parallel.parallelize(
        make_train_step(recipe),
        mesh=run.plan.mesh,
        backend="shard_map",
        in_axes=(None, 0, None, 0),
        donate=False,
    )

    def share(epoch):
        split, order = dataset.splits["train"], np.asarray(run.train_order(epoch))
        return feed.put_share(feed.take_share(split.images, split.labels, order), run.plan.mesh)

    assert largest_difference(train(run, step, share), train(run)) == 0.0


def test_a_device_s_share_is_what_its_order_names(dataset):
    split, mesh = dataset.splits["test"], parallel.make_mesh(4)
    order = in_batches(np.arange(90)[::-1], 32, num_devices=4)  # the last batch is short
    share = feed.take_share(split.images, split.labels, feed.own_part(order, mesh))
    data, positions = jax.device_get(feed.put_share(share, mesh))
    assert data["images"].shape[:2] == (4, 24) and order.shape == (4, 3, 8)
    for device in range(4):
        entries, places = order[device].reshape(-1), positions[device].reshape(-1)
        np.testing.assert_array_equal(places >= 0, entries >= 0)
        rows = np.where(entries >= 0, entries, ~entries)
        own = np.where(places >= 0, places, ~places)
        np.testing.assert_array_equal(data["indices"][device][own], rows)
        np.testing.assert_array_equal(data["images"][device][own], split.images[rows])
        np.testing.assert_array_equal(data["labels"][device][own], split.labels[rows])


@pytest.mark.parametrize("backend", ["pmap", "shard_map"])
def test_sums_over_the_devices(backend):
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 400, 300), "bias": (300,), "scale": (5, 1), "loss": (), "odd": (0,)}
    tree = {name: rng.normal(size=(4, *shape)).astype("f") for name, shape in shapes.items()}
    tree["wide"] = rng.normal(size=(4, 7)).astype("float16")
    add_up = parallel.parallelize(
        lambda parts: parallel.sum_over_devices({"rest": [parts], "one": parts["loss"]}),
        mesh=parallel.make_mesh(4),
        backend=backend,
        in_axes=(0,),
    )
    result = jax.device_get(add_up(tree))
    assert result["one"] == result["rest"][0]["loss"]
    for name, parts in tree.items():
        total = result["rest"][0][name]
        assert total.dtype == parts.dtype
        np.testing.assert_allclose(total, parts.sum(axis=0), rtol=1e-3, atol=1e-5)


def test_small_arrays_share_an_exchange(config, dataset):
    run = make_run(config, dataset)
    data, order = next(run.train_feed(run.plan.position()))[:2]
    lowered = run.train_step.lower(run.state, data, run.epoch_numbers(run.plan.position()), order)
    exchanges = lowered.as_text().count("stablehlo.all_reduce")
    assert 0 < exchanges < len(jax.tree.leaves(run.state.params))


@pytest.mark.slow
def test_batch_norm_per_device(config, tiny, dataset):
    """Averages of the devices' own statistics: equal shares have the global mean in common, and
    less variance. They take no exchange of their own."""
    config.model, config.num_devices = tiny, 4
    config.holdout = "random"  # a first batch in which the difference is more than rounding
    states, exchanges = {}, {}
    for kind in ("global", "per_device"):
        config.batch_norm = kind
        run = make_run(config, dataset)
        data, order = next(run.train_feed(run.plan.position()))[:2]
        batch = (data, run.epoch_numbers(run.plan.position()), order)
        exchanges[kind] = run.train_step.lower(run.state, *batch).as_text().count("all_reduce")
        states[kind] = jax.device_get(run.train_step(run.state, *batch)[0])
    first = {kind: next(iter(state.batch_stats.values())) for kind, state in states.items()}
    one, several = first["global"], first["per_device"]
    np.testing.assert_allclose(several["mean"], one["mean"], rtol=1e-5, atol=1e-7)
    assert np.all(several["var"] <= one["var"]) and np.any(several["var"] < one["var"])
    assert exchanges["per_device"] < exchanges["global"]


def test_more_devices_than_there_are():
    with pytest.raises(UserError, match="config.num_devices = 9: there are only 8"):
        parallel.make_mesh(9)


@pytest.mark.long
@pytest.mark.parametrize("name", TABLE)
def test_table_of_networks_devices_and_backends(name, demanding, dataset28, capsys):
    """Dropout and BatchNorm over the global batch included: prints the largest difference.

    In float64: in float32 one ReLU that flips by rounding is soon everywhere.
    """
    demanding.model, demanding.precision = model_config(name), "float64"
    with jax.enable_x64(True):
        one, _ = trained_on(demanding, dataset28, 1, "pmap")
        for num_devices in (1, 2, 4, 8):
            for backend in ("pmap", "shard_map"):
                several, _ = trained_on(demanding, dataset28, num_devices, backend)
                difference = largest_difference(one, several)
                with capsys.disabled():
                    print(f"\n{name:18}{num_devices:2}  {backend:10}{difference:.1e}", flush=True)
                assert difference < 1e-9


def test_a_wish_is_kept_where_hooks_ask_in_between():
    """An epoch of one call of the device asks once, and its hooks ask once."""
    agreement = parallel.Agreement(parallel.make_mesh(2))
    agreement._is_group = True  # as several processes have it
    answers = []
    for wish in (False, True, False):
        answers.append(list(agreement(wish, False)))
        assert list(agreement.at_once(False)) == [False]
    assert answers == [[False, False], [False, False], [True, False]]

"""Statistics of a user's layers on several devices, and in evaluation."""

import jax
import numpy as np
import pytest
from flax import nnx

from jaxcnn.models import model_config, registry
from jaxcnn.nn import BatchNorm, Dense, Flatten
from jaxcnn.nn.layer import Layer


class WithoutContext(Layer):
    """A BatchNorm that does not hear of the other devices."""

    def setup(self, shape, scope):
        self.norm = BatchNorm()
        return self.norm.build(shape, scope.child("norm"))

    def _forward(self, x, context):
        return self.norm(x)


class Center(Layer):
    """Takes the mean of its examples, and counts its calls."""

    def setup(self, shape, scope):
        self.mean = nnx.BatchStat(scope.create("mean", (), lambda *_: np.zeros((), np.float32)))
        self.calls = nnx.BatchStat(scope.create("calls", (), lambda *_: np.zeros((), np.int32)))
        return shape

    def _forward(self, x, context):
        self.mean.set_value(x.mean())
        self.calls.set_value(self.calls[...] + 1)
        return x - self.mean[...]


@pytest.mark.parametrize("layer", [WithoutContext, Center])
def test_statistics_are_equal_on_all_devices(layer, config, dataset, monkeypatch):
    """The state must not depend on the device that it is read from."""
    from jaxcnn.training.run import make_run
    from jaxcnn.workdir.position import Position

    def layers(num_classes):
        return [layer(name="own"), Flatten(), Dense(num_classes)]

    entry = registry.Entry(layers, options={}, image_shape=(16, 16, 1), num_classes=4)
    monkeypatch.setitem(registry._ENTRIES, "own", entry)
    config.model = model_config("own")
    run = make_run(config, dataset)
    position = Position(0, run.plan.steps_per_epoch)
    data, order, _ = next(iter(run.train_feed(position)))
    state, _ = run.train_step(run.state, data, run.epoch_numbers(position), order)
    statistics = jax.tree.leaves(state.batch_stats)
    for array in statistics:
        first, second = (np.asarray(shard.data) for shard in array.addressable_shards)
        np.testing.assert_array_equal(first, second)
        assert np.abs(first).max() > 0
    assert len(statistics) == 2

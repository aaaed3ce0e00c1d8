"""Trains six steps through each backend, and prints the largest difference of the states.

A program of its own, because XLA reads its options once in a process.
"""

from bars import make_dataset
from steps import demand, largest_difference, train
from tiny import ENTRY

from jaxcnn.config.defaults import default_config
from jaxcnn.models import model_config, registry

registry._ENTRIES["tiny"] = ENTRY
config, dataset, states = default_config(), make_dataset(16), []
config.num_devices = config.num_epochs = 2
demand(config, model_config("tiny"))
for config.parallel in ("pmap", "shard_map"):
    states.append(train(config, dataset)[1])
print(largest_difference(*states))

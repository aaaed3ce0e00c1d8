"""The CIFAR-10 speed record to 94 %: 8 epochs in batches of 2,000, bfloat16, Muon for the filters.

Trained as the record counts it, the whole run one compiled program, many seeds, tested with
mirrored and shifted views: `python -m jaxcnn.speedrun --config=configs/speedrun.py --runs=100`. The
usual `python -m jaxcnn.main` takes the same steps with its own loop, and tests without those views.

Source: https://github.com/KellerJordan/cifar10-airbench, `airbench94_muon.py`.
Record: 94.01 %, mean of 200 runs, in 2.59 s on an A100. Ours: not run yet.
What differs: bfloat16 for float16, but parameters, momentum and the logits' layer in float32;
biased running variances; images normalised in each step, not once; pixels' mean and deviation those
of the training images, not rounded to four places.
"""

from ml_collections import ConfigDict

from jaxcnn.config.fields import network
from jaxcnn.config.recipes import published_config


def get_config() -> ConfigDict:
    """The record's recipe; the rates of biases and head stand in the optimizer."""
    config = published_config()
    config.dataset.update(name="cifar10", scaling="zscore_per_channel")
    config.model = network("airbench")
    config.global_batch_size, config.num_epochs = 2_000, 8
    config.precision = "bfloat16"
    config.loss.label_smoothing = 0.2
    config.optimizer.update(name="airbench", learning_rate=0.24, momentum=0.6, weight_decay=2e-6)
    config.schedule.name = "linear"
    config.augment.update(crop=2, flip="alternating")
    return config

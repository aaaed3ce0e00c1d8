"""Evaluated images a second: `python benchmarks/evaluation.py`.

Loss and accuracy of a split in memory, in batches of 256 (only the forward pass): jaxcnn's
`evaluate`; torch (inference mode, channels_last; on a GPU compiled, autocast to bfloat16); Keras's
`evaluate` (JAX backend). `--sides=jaxcnn,jaxcnn_at=PATH` takes another checkout of jaxcnn. The
machine must have nothing else to do, see `train_step.py`.

Needs torch and Keras: `pip install -e '.[bench]'`.
"""

import command
from recipes import USUAL

if __name__ == "__main__":
    command.run(
        "evaluation",
        "Evaluation, images/s",
        networks=USUAL,
        quick_networks=("lenet", "mnist_bn_dropout"),
        side_names=("jaxcnn", "torch", "keras"),
    )

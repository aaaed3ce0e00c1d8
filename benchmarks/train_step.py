"""Training steps a second, jaxcnn beside torch: `python benchmarks/train_step.py`.

Data lie in memory. A step is everything from the uint8 images on: gather, scale, forward, loss,
backward, optimizer, sums of loss and accuracy. jaxcnn trains as its loop does. Beside it on a
CPU: torch (eager, channels_last, one thread a core, fused optimizer), and torch with jaxcnn's heap
settings. On a GPU: torch (compiled, autocast to bfloat16, channels_last), and the same with CUDA
graphs. `--sides=jaxcnn,keras` takes Keras (JAX backend), whose large networks take minutes;
`--sides=jaxcnn,jaxcnn_at=PATH` takes another checkout of jaxcnn,
`--sides=jaxcnn_bfloat16,jaxcnn,torch_bfloat16` compares precisions.

Rounds are repeated until two agree within a tenth; where none do, a warning says so. The machine
must have nothing else to do: torch's threads spin while they wait for each other, so other
processes make torch tens of times slower, and jaxcnn look as much better. A warning says so.

Needs torch: `pip install -e '.[bench]'`.
"""

import command
import machine
from recipes import USUAL

if __name__ == "__main__":
    command.run(
        "train_step",
        "Training, images/s",
        networks=USUAL,
        quick_networks=("lenet", "mnist_bn_dropout", "mlp_model2"),
        side_names=(
            ("jaxcnn", "torch", "torch_cuda_graphs")
            if machine.has_gpu()
            else ("jaxcnn", "torch", "torch_same_heap")
        ),
    )

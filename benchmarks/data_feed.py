"""The data feed alone: `python benchmarks/data_feed.py`.

Images a second that are taken from memory in random order, cropped, flipped and standardized, in
the batches of LeNet's recipe and of an MNIST network's: jaxcnn on the device; torch example by
example in a DataLoader, with 2 processes or none. The machine must have nothing else to do.

Needs torch: `pip install -e '.[bench]'`.
"""

import command

if __name__ == "__main__":
    command.run(
        "data_feed",
        "Data feed, images/s",
        networks=("lenet", "mnist_bn_dropout"),
        quick_networks=("lenet",),
        side_names=("jaxcnn", "torch", "torch_no_workers"),
    )

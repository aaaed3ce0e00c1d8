"""Whole training epochs as each side's user runs them: `python benchmarks/epoch.py`.

Images are shuffled, cropped (4 pixels of black border), flipped and standardized. jaxcnn does so in
its compiled step; torch example by example, as torchvision does, in a DataLoader with 2 processes
or none; Keras (JAX backend) in `fit`, with preprocessing layers or a PyDataset. An epoch has 25,600
images for LeNet and 2,560 for larger networks. The machine must have nothing else to do, see
`train_step.py`; a DataLoader's processes don't count in the peak memory.

Needs torch and Keras: `pip install -e '.[bench]'`.
"""

import command

if __name__ == "__main__":
    command.run(
        "epoch",
        "Training epochs, images/s",
        networks=("lenet", "simpler_cnn"),
        quick_networks=("lenet",),
        side_names=("jaxcnn", "torch", "torch_no_workers", "keras", "keras_pydataset"),
    )

"""Whole training epochs, as the users of each side run them: `python benchmarks/epoch.py`.

Images are shuffled, cropped (4 pixels of black border), flipped and standardized (by Keras,
scaled to 0 … 1). jaxcnn does this in its compiled step; torch example by example, as torchvision
does, in a DataLoader with 2 processes or none; Keras (JAX backend) in `fit`, with
preprocessing layers or a PyDataset. An epoch has 25,600 images for LeNet and 2,560 for larger
networks. Run it on an idle machine, see `train_step.py`. The peak memory leaves out the
DataLoader's processes.

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

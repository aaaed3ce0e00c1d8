"""The rows of the table of config fields about the dataset."""

from jaxcnn.config.rules import FIT, NAMES, SPLIT, Effect, Field, between, one_of

NONE, RUN = Effect.NONE, Effect.RUN

DATASET_FIELDS: dict[str, Field] = {
    "dataset.name": Field(
        "digits",
        "cifar10, cifar100, digits, ferplus, mnist, folder:PATH of images, table:PATH of pictures "
        "and labels, tfds:NAME of tensorflow-datasets, or one of your file's.",
        None,
        RUN,
    ),
    "dataset.fraction": Field(
        1.0,
        "The part of the training images of each class to train on.",
        between(0, 1, open_low=True),
        RUN,
    ),
    "dataset.data_dir": Field(
        "", "Folder of the datasets; empty: $TFDS_DATA_DIR, else ~/tensorflow_datasets.", None, NONE
    ),
    "dataset.label_set": Field(
        "",
        "Labels of cifar100: its 100 fine or its 20 coarse classes; empty: fine.",
        one_of("", "fine", "coarse"),
        RUN,
    ),
    "dataset.classes": Field(
        (),
        "The only classes to train on, in the order of their numbers, such as cat,dog; or "
        "classic, the ten of cifar100 that the publication [classic] selects; empty: all.",
        NAMES,
        RUN,
    ),
    "dataset.split": Field(
        "content",
        "How pictures without a test split get one: content (by each picture's content, so that "
        "it keeps its split when others are added), shuffle (a random fifth of each class), or a "
        "table with the columns path and split. Pictures of one group stay together. For "
        "tfds:NAME: its splits for training and test, such as train[:80%],train[80%:].",
        SPLIT,
        RUN,
    ),
    "dataset.exclude": Field(
        "",
        "A text file with the paths of pictures to leave out, one in a line; empty: none.",
        None,
        RUN,
    ),
    "dataset.image_size": Field(
        32,
        "Pixels of an image's side, or its height; 0: the dataset's own size.",
        between(0, 1024),
        RUN,
    ),
    "dataset.image_width": Field(
        0, "Pixels of an image's width; 0: the same as image_size.", between(0, 1024), RUN
    ),
    "dataset.fit": Field(
        "crop",
        "How pictures of other proportions are fitted to the image size: crop (the centered part), "
        "stretch, pad (black borders), pad:#rrggbb (a color), or pad:edge (the outermost pixels).",
        FIT,
        RUN,
    ),
    "dataset.scaling": Field(
        "unit",
        "Range of the pixels: 0 to 255, 0 to 1, -1 to 1, or standardized by the training split's "
        "mean and deviation, over all pixels or by channel.",
        one_of("none", "unit", "centered", "zscore", "zscore_per_channel"),
        RUN,
    ),
    "dataset.sampling": Field(
        "shuffle",
        "The examples of an epoch: each once, or equally many of each class, so that those of rare "
        "classes repeat and those of frequent ones take turns over the epochs.",
        one_of("shuffle", "balanced"),
        RUN,
    ),
    "dataset.streaming": Field(
        False,
        "Read images from disk during training; done anyway if they do not fit into the memory.",
        None,
        NONE,
    ),
    "dataset.workers": Field(
        0, "Processes that read when streaming; 0: threads.", between(0, 256), NONE
    ),
}

"""The table of all config fields, by dotted name.

The check, `--help`, the generated documentation, a run's identity and its recipe come from it. The
options of a network, `model.OPTION`, are in the registry of networks.
"""

from jaxcnn.config.data_fields import DATASET_FIELDS
from jaxcnn.config.loss_fields import JUDGING_FIELDS, LOSS_FIELDS, STOPPING_FIELDS
from jaxcnn.config.optim_fields import OPTIMIZER_FIELDS, SCHEDULE_FIELDS
from jaxcnn.config.phases import PHASES
from jaxcnn.config.rules import (
    ALPHA,
    AT_LEAST_0,
    AT_LEAST_1,
    FRACTION,
    Effect,
    Field,
    between,
    one_of,
    registered,
)

ABOUT, NONE, REPEAT, END, RUN = (
    Effect.ABOUT, Effect.NONE, Effect.REPEAT, Effect.END, Effect.RUN
)  # fmt: skip

FIELDS: dict[str, Field] = {
    "seed": Field(
        0,
        "Seed of the initial weights, the order of the images, dropout and the augmentation.",
        between(0, 2**31 - 1),
        REPEAT,
    ),
    "num_epochs": Field(
        40, "Passes over the training images; early stopping may end a run sooner.", AT_LEAST_1
    ),
    "phases": Field(
        (),
        "The epochs of each phase; their sum is num_epochs. fresh gives a phase a new optimizer "
        "and schedule, NAME=VALUE a number of its own. Empty: one phase.",
        PHASES,
    ),
    "num_steps": Field(
        0,
        "Steps after which a run ends, within an epoch too; 0: the steps of num_epochs.",
        AT_LEAST_0,
    ),
    "steps_per_epoch": Field(
        0, "Batches of an epoch, the first of its order; 0: all batches.", AT_LEAST_0, RUN
    ),
    "max_minutes": Field(
        0.0, "Minutes until a run saves, tests and ends; 0: no limit.", AT_LEAST_0, END
    ),
    "global_batch_size": Field(
        64,
        "Images per step, over all devices together; 0: the largest power of two up to 512 that "
        "fits in the memory and leaves ten steps per epoch, found before the first step.",
        AT_LEAST_0,
    ),
    "validation": Field(
        "holdout",
        "The split that chooses the best epoch: a random part of the training set, its last part, "
        "the publisher's own split, the test split as in the publications, or one of `folds` parts "
        "of the training set.",
        one_of("holdout", "tail", "validation", "test", "fold"),
        RUN,
    ),
    "validation_fraction": Field(
        0.1,
        "The part of the training set that holdout and tail keep aside.",
        between(0, 1, open_low=True, open_high=True),
        RUN,
    ),
    "holdout": Field(
        "stratified",
        "How holdout draws: the same share of each class, or at random from all images.",
        one_of("stratified", "random"),
        RUN,
    ),
    "folds": Field(
        5, "With validation = fold: the parts of the training set.", between(2, 100), RUN
    ),
    "fold": Field(
        0,
        "With validation = fold: the part that chooses the best epoch, from 0; python -m "
        "jaxcnn.main --folds=5 trains one run for each.",
        AT_LEAST_0,
        RUN,
    ),
    **JUDGING_FIELDS,
    "test_with": Field(
        "best",
        "The weights that are tested: the last, or those of the epoch that was best on validation.",
        one_of("best", "last"),
        END,
    ),
    "test_views": Field(
        "all",
        "The images that jaxcnn.speedrun tests with mirrored and shifted views: all, or the "
        "quarter that the network is least certain of.",
        one_of("all", "least_certain"),
        NONE,
    ),
    "init_from": Field(
        "", "Another run's folder: a new run starts from the weights that it tests.", None, RUN
    ),
    "tuned_on_test_of": Field(
        "", "The dataset whose test accuracies chose this recipe; reports say so.", None, ABOUT
    ),
    "evaluate_train": Field(
        False, "Also evaluate the whole training split after each epoch.", None, NONE
    ),
    "metrics": Field(
        (),
        "Further metrics of each evaluation, which your file registers.",
        registered("metrics"),
        NONE,
    ),  # fmt: skip
    "parallel": Field(
        "pmap",
        "How a step runs on several devices; both give the same numbers.",
        one_of("pmap", "shard_map"),
        NONE,
    ),
    "deterministic": Field(
        False,
        "Give the same bits each time on a GPU too; slower, and some operations are refused.",
        None,
        REPEAT,
    ),
    "num_devices": Field(
        0,
        "Devices to train on; 0: all, but one CPU device for mostly dense networks.",
        AT_LEAST_0,
        NONE,
    ),
    "steps_per_dispatch": Field(
        0,
        "Steps in one call of the device; 0: many on an accelerator, 1 on a CPU.",
        between(0, 10_000),
        NONE,
    ),
    "precision": Field(
        "float32",
        "Precision of the computation; parameters stay float32. bfloat16 is faster on GPUs and "
        "TPUs, and for large networks on CPUs with AVX-512 BF16 or Intel AMX.",
        one_of("float32", "bfloat16"),
    ),
    "batch_norm": Field(
        "global",
        "Batch statistics over the global batch, or over each device's part.",
        one_of("global", "per_device"),
    ),
    **DATASET_FIELDS,
    "model.name": Field(
        "lenet",
        "The network; python -m jaxcnn.summary --list names them all.",
        registered("networks"),
        RUN,
    ),
    **LOSS_FIELDS,
    **OPTIMIZER_FIELDS,
    **SCHEDULE_FIELDS,
    "augment.crop": Field(
        0, "Pixels of border that are added before a random crop; 0: none.", AT_LEAST_0
    ),
    "augment.crop_mode": Field(
        "reflect",
        "Content of the border: the reflected image, or black.",
        one_of("reflect", "zero"),
    ),
    "augment.shift": Field(0.0, "Largest random shift, as a part of width and height.", FRACTION),
    "augment.rotation": Field(0.0, "Largest random rotation, degrees.", between(0, 180)),
    "augment.flip": Field(
        "none",
        "Mirror images left to right: never, at random, or every second epoch.",
        one_of("none", "random", "alternating"),
    ),
    "augment.cutout": Field(0, "Side of a square that is blanked, pixels; 0: none.", AT_LEAST_0),
    "augment.color_jitter": Field(
        0.0, "Largest random change of brightness, contrast and saturation.", between(0, 1)
    ),
    "augment.brightness": Field(
        0.0,
        "Largest random change of an image's brightness, in standard deviations of the training "
        "images' pixels.",
        AT_LEAST_0,
    ),
    "augment.contrast": Field(
        0.0,
        "Largest random change of an image's contrast, about the training images' mean color.",
        between(0, 1),
    ),
    "augment.extra": Field((), "Your file's augmentations.", registered("augmentations")),
    "augment.mixup": Field(
        0.0, "Alpha of the Beta distribution that blends two images; 0: none.", ALPHA
    ),
    "augment.cutmix": Field(
        0.0, "Alpha of the Beta distribution of the pasted rectangle's area; 0: none.", ALPHA
    ),
    **STOPPING_FIELDS,
    "checkpoint.every_epochs": Field(1, "Epochs between checkpoints.", AT_LEAST_1, NONE),
    "checkpoint.every_steps": Field(
        0, "Steps between checkpoints within an epoch; 0: none.", AT_LEAST_0, NONE
    ),
    "checkpoint.every_minutes": Field(
        0.0, "Minutes between checkpoints within an epoch; 0: none.", AT_LEAST_0, NONE
    ),
    "checkpoint.keep_latest": Field(2, "Number of the newest checkpoints kept.", AT_LEAST_1, NONE),
    "checkpoint.keep_best": Field(
        1, "Number of the best checkpoints on validation kept.", AT_LEAST_1, NONE
    ),
    "published.by": Field(
        "", "The publication whose recipe the config file declares.", None, ABOUT
    ),
    "published.name": Field("", "Name of the recipe, whose figures jaxcnn has.", None, ABOUT),
    "published.accuracy": Field(
        0.0, "The publication's test accuracy, a fraction; 0: none given.", between(0, 1), ABOUT
    ),
    "published.differs": Field(
        "",
        "How the published recipe differs from the config file's; empty: it does not.",
        None,
        ABOUT,
    ),
    "published.recipe": Field(
        "",
        "Digest of the declared recipe; a run with another recipe does not follow it.",
        None,
        ABOUT,
    ),
}


def effect_of(name: str) -> Effect:
    """Return the effect of a field by dotted name; another network or option is another run."""
    return FIELDS[name].effect if name in FIELDS else Effect.RUN

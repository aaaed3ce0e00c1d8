"""What each field of a config means, the table of them all, and guesses at a wrong name."""

import difflib
import textwrap
from collections.abc import Iterable

from jaxcnn.config.fields import default_config, flatten

FIELD_HELP = {
    "seed": "Of the initial weights, the order of the images, the augmentation and the holdout.",
    "num_epochs": "Passes over the training images; at most so many with early stopping.",
    "global_batch_size": "Images a step, over all devices together.",
    "validation": "The split that chooses the best epoch: a part of the training set held out at "
    "random, its last part, the publisher's own split, or the test split as publications did.",
    "validation_fraction": "The part of the training set that holdout and tail keep aside.",
    "holdout": "How holdout draws: the same share of each class, or from all images alike.",
    "test_with": "Which weights are tested: those of the best epoch on validation, or the last.",
    "init_from": "Another run's folder: a new run starts from the weights that it tests.",
    "tuned_on_test_of": "The dataset whose test accuracies chose this recipe, for reports to say.",
    "evaluate_train": "Also score the whole training split after each epoch.",
    "deterministic": "The same bits each time on a GPU too; refuses what has no such form.",
    "steps_per_epoch": "Batches of an epoch, the first of its order; 0: all of them.",
    "max_minutes": "Minutes of the whole run, after which it saves, tests and ends; 0: no limit.",
    "parallel": "How a step runs on several devices; both give the same numbers.",
    "num_devices": "0: all; on a CPU one for networks without convolutions.",
    "steps_per_dispatch": "Steps in one call of the device; 0: many on an accelerator, else 1.",
    "precision": "Of the computation; parameters stay float32.",
    "batch_norm": "Statistics over the global batch, or over each device's part.",
    "dataset.name": "cifar10, cifar100, digits, ferplus, mnist, or folder:PATH of your images.",
    "dataset.data_dir": "Where datasets lie; empty: $TFDS_DATA_DIR, else ~/tensorflow_datasets.",
    "dataset.label_set": "Of cifar100: its 100 fine or its 20 coarse classes; empty: fine.",
    "dataset.split": "How a folder without a test split gets one: by each picture's content, which "
    "keeps a picture in its split when others are added, or a shuffled fifth of each class.",
    "dataset.fraction": "The part of the training images that is trained on, alike in each class.",
    "dataset.image_size": "Pixels of a side; 0: the dataset's own.",
    "dataset.scaling": "Of pixels: 0 to 255 as they are, 0 to 1, -1 to 1, or standardized by the "
    "training split's mean and deviation, over all pixels or by channel.",
    "dataset.streaming": "Read images from the disk during training: for what does not fit.",
    "dataset.workers": "Processes that read when streaming; 0: threads.",
    "model.name": "The network; python -m jaxcnn.summary --list names them all.",
    "loss.label_smoothing": "The share of a label that is spread over all classes.",
    "loss.l2": "Factor of the sum of squared kernels in the loss; a network may have its own.",
    "loss.heads": "Of networks with several heads: mix their probabilities, or add their losses.",
    "optimizer.name": "The update rule.",
    "optimizer.learning_rate": "The rate that the schedule starts from, or rises to.",
    "optimizer.scale_with_batch": "Take the rate as that of reference_batch_size, and scale it.",
    "optimizer.reference_batch_size": "The batch size that learning_rate is of when scaled.",
    "optimizer.momentum": "Of momentum, nesterov, muon and airbench.",
    "optimizer.b1": "Decay of adam's and adamw's mean of the gradients.",
    "optimizer.b2": "Decay of adam's and adamw's mean of the squared gradients.",
    "optimizer.eps": "What adam and adamw add to the denominator.",
    "optimizer.weight_decay": "Decoupled, of kernels; with muon of filters only.",
    "optimizer.gradient_clip": "The largest global norm of the gradient; 0: any.",
    "optimizer.accumulation_steps": "Parts that a batch is computed in, to save memory.",
    "optimizer.skip_bad_steps": "Skip steps whose loss or gradient is not finite; each halves the "
    "rate.",
    "optimizer.ema_decay": "Of a moving average of the weights, used in evaluation; 0: none.",
    "schedule.name": "How the rate changes over the epochs.",
    "schedule.warmup_epochs": "Epochs in which the rate rises from 0.",
    "schedule.decay_rate": "Of inverse_time and inverse_time_rounded.",
    "schedule.decay_epochs": "Epochs of one decay of inverse_time.",
    "schedule.decay_steps": "Steps of one decay, in place of decay_epochs where positive.",
    "schedule.staircase": "inverse_time changes the rate after whole decays only.",
    "schedule.boundaries": "Epochs at which step multiplies the rate by factor, such as (60, 80).",
    "schedule.factor": "What step multiplies the rate by.",
    "schedule.final_fraction": "Of cosine and linear: where they end, as a part of the first rate.",
    "augment.crop": "Pixels of border that are added before a random crop; 0: none.",
    "augment.crop_mode": "What the border holds: the reflected image, or black.",
    "augment.shift": "Largest random shift, as a part of width and height.",
    "augment.rotation": "Largest random rotation, degrees.",
    "augment.flip": "Mirror images left to right: never, at random, or every second epoch.",
    "augment.cutout": "Side of a square that is blanked, pixels; 0: none.",
    "augment.color_jitter": "Largest random change of brightness, contrast and saturation.",
    "augment.mixup": "Alpha of the Beta distribution that two images are blended by; 0: none.",
    "augment.cutmix": "Alpha of the Beta distribution of the pasted rectangle's area; 0: none.",
    "early_stopping.patience": "Epochs without a lower validation loss that end the run; 0: off.",
    "early_stopping.min_delta": "How much lower the loss must be to count.",
    "checkpoint.every_epochs": "Save after so many epochs.",
    "checkpoint.every_steps": "Save in mid-epoch too, after so many steps; 0: not.",
    "checkpoint.every_minutes": "Save in mid-epoch too, after so many minutes; 0: not.",
    "checkpoint.keep_latest": "So many of the newest checkpoints are kept.",
    "checkpoint.keep_best": "So many of the best on validation are kept.",
}


def describe_fields(width: int = 80) -> str:
    """Return the table of all fields: default, what is allowed, meaning, in groups."""
    from jaxcnn.config.check import allowed_values

    allowed, defaults = allowed_values(), flatten(default_config())
    lines = ["fields of the config, with the defaults of jaxcnn.config.default_config():"]
    group = None
    for name, meaning in FIELD_HELP.items():
        if _group(name) != group:
            group = _group(name)
            lines.append("")
        shown = '""' if defaults[name] == "" else defaults[name]
        rule = f"  ({allowed[name]})" if name in allowed else ""
        indents = {"initial_indent": "  ", "subsequent_indent": "      "}
        lines += textwrap.wrap(f"--config.{name}={shown}{rule}", width, **indents)
        indents["initial_indent"] = "      "
        lines += textwrap.wrap(meaning, width, **indents)
    return "\n".join([*lines, "", *_describe_options(width)])


def _describe_options(width: int) -> list[str]:
    """A line for each network that has options."""
    from jaxcnn.models import network_names, network_options

    lines = ["options of the networks, --config.model.OPTION, with their defaults:", ""]
    for name in network_names():
        options = ", ".join(f"{key}={value!r}" for key, value in network_options(name).items())
        if options:
            indents = {"initial_indent": "  ", "subsequent_indent": "      "}
            lines += textwrap.wrap(f"{name}: {options}", width, **indents)
    return lines


def guess_field(name: str, fields: Iterable[str]) -> str:
    """Return "; did you mean …?" for a name that is no field, or "".

    The same last name in another group comes first, then initials (`lr`), then what is spelled
    alike.

    Args:
      name: dotted, such as "optimizer.lr".
      fields: the dotted names that there are.
    """
    leaf = name.rpartition(".")[2]
    leaves = {field: field.rpartition(".")[2] for field in fields}
    found = [field for field, each in leaves.items() if each == leaf]
    found = found or [field for field, each in leaves.items() if leaf and _initials(each) == leaf]
    if not found:
        close = difflib.get_close_matches(leaf, set(leaves.values()), n=1)
        found = [field for field, each in leaves.items() if each in close]
        found = [field for field in found if _group(field) == _group(name)] or found
    return f"; did you mean {' or '.join(found)}?" if found else ""


def guess_value(value: object, choices: Iterable[str]) -> str:
    """Return "; did you mean …?" for a value that is none of the choices, or ""."""
    found = difflib.get_close_matches(value, choices) if isinstance(value, str) else []
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _initials(words: str) -> str:
    return "".join(word[:1] for word in words.split("_"))


def _group(field: str) -> str:
    return field.rpartition(".")[0]

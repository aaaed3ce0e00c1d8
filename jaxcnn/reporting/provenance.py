"""Sentences on the figures of an evaluation: their origin, and what accuracy hides."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.evaluation.balance import ClassMetrics, unrecognized_classes
from jaxcnn.reporting.protocol import owner_of
from jaxcnn.text import some_names

_NO_ESTIMATE = "the figures do not estimate accuracy on unseen images."
_MOST_NAMES = 10  # in a sentence


def provenance(evaluation: Mapping[str, Any]) -> str:
    """Name the weights of an evaluation, and say whether its images are unseen ones.

    Args:
      evaluation: the fields of `evaluation/*.json`: `split` ("train", "validation" or "test"),
        `checkpoint` ("best" or "latest"), `epoch`, `dataset`, `validation`, `tuned_on_test`,
        `init_from`, `trained_on`. The last three are missing in evaluations by older code. `data`
        is the name of another set than the run's.
    """
    if "data" in evaluation:
        return _of_other_set(evaluation)
    validation, split = evaluation["validation"], evaluation["split"]
    is_best = evaluation["checkpoint"] == "best"
    text = _weights(evaluation)
    if split == "train":
        return f"{text} The network was trained on these images."
    if split == "validation" or validation == "test":
        role = (
            "These same images chose the epoch" if is_best else "These images served as validation"
        )
        return f"{text} {role}: {_NO_ESTIMATE}"
    if evaluation.get("trained_on"):
        return (
            f"{text} {evaluation['trained_on']:,} of the {evaluation['num_examples']:,} images "
            f"are in the training split as well: {_NO_ESTIMATE}"
        )
    text += " These images took no part in training or in the choice of the epoch"
    if evaluation.get("init_from"):
        text += f" of this run, which started from the weights of {evaluation['init_from']}"
    if evaluation.get("tuned_on_test"):
        return f"{text}. But the recipe was chosen by test accuracy: {_NO_ESTIMATE}"
    return f"{text}."


def _of_other_set(evaluation: Mapping[str, Any]) -> str:
    text = f"{_weights(evaluation)} The images are those of {evaluation['data']}, another set than"
    text += f" the run's {evaluation['dataset']}."
    if count := evaluation["trained_on"]:
        total = evaluation["num_examples"]
        text += f" {count:,} of the {total:,} images are in the run's training split as well:"
        text += f" {_NO_ESTIMATE}"
    return text


def differing_classes(evaluation: Mapping[str, Any]) -> str:
    """Name the classes that another set and the network do not share; "" without any."""
    left_out, missing = evaluation.get("left_out"), evaluation.get("missing_classes")
    parts = []
    if left_out:
        names = some_names(list(left_out), _MOST_NAMES)
        count = sum(left_out.values())
        parts.append(
            f"Left out, because the network does not know them: {count:,} images of {names}."
        )
    if missing:
        parts.append(f"Classes of the network without images: {some_names(missing, _MOST_NAMES)}.")
    return " ".join(parts)


def _weights(evaluation: Mapping[str, Any]) -> str:
    if evaluation["checkpoint"] != "best":
        return f"Weights of epoch {evaluation['epoch']}, the latest."
    data = {
        "holdout": "a held-out part of the training set",
        "tail": "the held-out last part of the training set",
        "fold": "a fold of the training set",
        "validation": f"the {owner_of(evaluation.get('dataset', ''))} validation split",
        "test": "the test split",
    }[evaluation["validation"]]
    return f"Weights of epoch {evaluation['epoch']}, the best on {data}."


def unrecognized(classes: Sequence[ClassMetrics]) -> str:
    """Name the classes that the network never recognizes, in a sentence; "" without any."""
    names = unrecognized_classes(classes)
    if not names:
        return ""
    return (
        f"The network recognizes no image of {len(names)} of the {len(classes)} classes: "
        f"{some_names(names, _MOST_NAMES)}."
    )

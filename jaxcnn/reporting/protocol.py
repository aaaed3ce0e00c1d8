"""Sentences on a run's test figures: the use of the test split, and the number of tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.config.publications import current_key
from jaxcnn.config.published import is_tuned_on_test
from jaxcnn.data.class_selection import selected_names
from jaxcnn.data.datasets.registry import DATASETS
from jaxcnn.data.places import is_pictures_name
from jaxcnn.workdir.endings import is_same_end

_SERVED = {
    "validation": "The {owner} validation split served as validation",
    "tail": "The held-out last part of the training set served as validation",
    "fold": "A fold of the training set served as validation",
    "holdout": "A fixed, held-out part of the training set served as validation",
}
_SGD_CNNS = ("lenet5_base", "lenet5_model1", "lenet5_model2", "lenet5_model3")
TUNED = (
    "The recipe was chosen by its test accuracy: the test figures do not estimate accuracy on "
    "unseen images."
)
IN_SIGHT = (
    "The test set served as validation: the test figures were visible during training and do not "
    "estimate accuracy on unseen images."
)


def owner_of(dataset: str) -> str:
    """Return the owner of a dataset's splits: "publisher's", "folder's", "table's", "dataset's"."""
    kind = dataset.partition(":")[0]
    if is_pictures_name(dataset):
        return f"{kind}'s"
    return "publisher's" if dataset in DATASETS else "dataset's"


def divides_loss(config: Mapping[str, Any]) -> bool:
    """Return whether a run has a recipe of [sgd] or a change of one.

    That publication divides the mean loss by the batch size, see docs/publications.md. Runs of
    older code do not name their publication; their networks tell it.
    """
    if "published" in config:
        return current_key(config["published"]["by"]) == "sgd"
    is_of_network = config["model"]["name"] in ("mlp", *_SGD_CNNS)
    return is_of_network and config["dataset"]["name"] == "cifar10"


def chosen_classes(config: Mapping[str, Any]) -> str:
    """Return "5 classes" for a run on five classes of its dataset; "" for one on all of them."""
    classes = selected_names(config["dataset"].get("classes") or ())
    return f"{len(classes)} classes" if classes else ""


def is_test_in_sight(config: Mapping[str, Any]) -> bool:
    """Return whether the test split served as validation split."""
    return config["validation"] == "test"


def is_stopped_early(config: Mapping[str, Any], result: Mapping[str, Any] | None) -> bool:
    """Return whether early stopping or a hook ended the run before its last epoch.

    It is False for an unfinished run (`result` is None).
    """
    if result and "ended" in result:
        return result["ended"] in ("early_stopping", "hook")
    patience = config.get("early_stopping", {}).get("patience", 0)
    return bool(patience and result and result["num_epochs"] < config["num_epochs"])


def warnings(config: Mapping[str, Any]) -> list[str]:
    """Return the reasons why the test figures are no estimate of accuracy on unseen images."""
    notes = {IN_SIGHT: is_test_in_sight(config), TUNED: is_tuned_on_test(config)}
    return [note for note, applies in notes.items() if applies]


def describe(
    config: Mapping[str, Any], environment: Mapping[str, Any], result: Mapping[str, Any]
) -> str:
    """Return a Markdown paragraph on the validation data and on how often the run was tested."""
    if is_test_in_sight(config):
        phrase = "test set served as validation"
        text = IN_SIGHT.replace(phrase, f"**{phrase}**")
    else:
        served = _SERVED[config["validation"]].format(owner=owner_of(config["dataset"]["name"]))
        text = f"{served}; {_tests(environment, result)}"
    return f"{text} **{TUNED}**" if is_tuned_on_test(config) else text


def _time_of(end: Mapping[str, Any], epochs: Sequence[int]) -> str:
    """Return the epoch of an end, with its step where it is several times among the epochs."""
    if epochs.count(end["epoch"]) == 1 or "step" not in end:
        return str(end["epoch"])
    return f"{end['epoch']} (step {end['step']})"


def _has_no_step_after(end: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Return whether a recorded end is at the last step of a result; older code has no step."""
    return end["epoch"] == result["num_epochs"] and end.get("step") in (None, result.get("steps"))


def _tests(environment: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    ended = environment.get("ended")
    if ended is None and environment.get("changes"):  # a run of older code, which did not count
        return "the run was tested at its end, and at each earlier end if it had one."
    earlier = [end for end in ended or [] if not is_same_end(end, result)]
    if not earlier:
        return "the run was tested once, at its end."
    if all(_has_no_step_after(end, result) for end in earlier):
        return f"the run was tested {len(earlier) + 1} times, each time with other weights."
    epochs = [result["num_epochs"], *(end["epoch"] for end in earlier)]
    times = ", ".join(_time_of(end, epochs) for end in earlier)
    return (
        f"the run was tested {len(earlier) + 1} times, because it had ended after epoch {times} "
        "and went on."
    )

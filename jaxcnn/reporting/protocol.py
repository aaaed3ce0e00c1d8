"""What a run's test figures are worth: who saw the test split, and how often it was scored."""

from collections.abc import Mapping
from typing import Any

from jaxcnn.config.published import publication_of
from jaxcnn.workdir.endings import end_of

_SERVED = {
    "validation": "The {owner} validation split served as validation",
    "tail": "The last part of the training set, held out, served as validation",
    "holdout": "A fixed part of the training set, held out, served as validation",
}
TUNED = (
    "The recipe was chosen by its test accuracy: the test figures are no estimate on unseen data."
)
IN_SIGHT = (
    "The test set served as validation: the test figures were in sight during training, and are "
    "no estimate on unseen data."
)


def owner_of(dataset: str) -> str:
    """Return whose splits a dataset has: "publisher's", or "folder's" for `folder:PATH`."""
    return "folder's" if dataset.startswith("folder:") else "publisher's"


def is_test_in_sight(config: Mapping[str, Any]) -> bool:
    """Whether the test split served as validation split."""
    return config["validation"] == "test"


def is_tuned_on_test(config: Mapping[str, Any]) -> bool:
    """Whether the recipe was chosen by test accuracies, and on the run's own dataset."""
    return config.get("tuned_on_test_of", "") == config["dataset"]["name"]


def is_stopped_early(config: Mapping[str, Any], result: Mapping[str, Any] | None) -> bool:
    """Whether early stopping ended the run before its last epoch; False for an unfinished run."""
    if result and "ended" in result:
        return result["ended"] == "early_stopping"
    patience = config.get("early_stopping", {}).get("patience", 0)
    return bool(patience and result and result["num_epochs"] < config["num_epochs"])


def warnings(config: Mapping[str, Any]) -> list[str]:
    """Sentences that say why the test figures are no estimate on unseen data; none where they
    are one."""
    notes = {IN_SIGHT: is_test_in_sight(config), TUNED: is_tuned_on_test(config)}
    return [note for note, applies in notes.items() if applies]


def describe(
    config: Mapping[str, Any], environment: Mapping[str, Any], result: Mapping[str, Any]
) -> str:
    """Return a Markdown paragraph: which split served as validation, and how often the run scored
    the test set."""
    if is_test_in_sight(config):
        publication = publication_of(config, environment)
        follows = f", as in the {publication} publication" if publication else ""
        text = IN_SIGHT.replace(
            "test set served as validation", f"**test set served as validation**{follows}"
        )
    else:
        served = _SERVED[config["validation"]].format(owner=owner_of(config["dataset"]["name"]))
        text = f"{served}; {_scorings(environment, result)}"
    return f"{text} **{TUNED}**" if is_tuned_on_test(config) else text


def _scorings(environment: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    ended = environment.get("ended")
    if ended is None and environment.get("changes"):  # older code did not count
        return "the run scored the test set at its end, and at each earlier end if it had one."
    earlier = [end for end in ended or [] if end != end_of(result)]
    if not earlier:
        return "the run scored the test set once, at the end."
    epochs = ", ".join(str(end["epoch"]) for end in earlier)
    return (
        f"the run scored the test set {len(earlier) + 1} times: it had ended after epoch {epochs}, "
        "and went on."
    )

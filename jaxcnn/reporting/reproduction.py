"""The verdict on a recipe that was run again: within, above or below the earlier figures."""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxcnn.config.publications import FIGURES
from jaxcnn.config.published import recipe_digest
from jaxcnn.errors import UserError
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.groups import MeanAndStd, RecipeGroup
from jaxcnn.reporting.comparison.runs import SavedRun
from jaxcnn.reporting.comparison.statistics import prediction_interval, wilson_interval
from jaxcnn.reporting.comparison.tables import mean_text
from jaxcnn.reporting.kept_runs import groups_of
from jaxcnn.text import percent
from jaxcnn.workdir.run_files import TEST_EVALUATION

UNKNOWN = "cannot tell with n = 1"
_WORDS = {"within": "agrees with", "above": "is above", "below": "is below"}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The place of new test accuracies beside earlier ones.

    Attributes:
      word: "within", "above", "below", "equal", `UNKNOWN`, or why nothing was compared.
      reference: the earlier accuracies as text.
      interval: the 95 % interval that decided, as fractions; None if nothing was compared.
      how: the kind of the interval.
    """

    word: str
    reference: str
    interval: tuple[float, float] | None = None
    how: str = ""

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.word}: {self.reference}" if self.reference else self.word
        low, high = map(percent, self.interval)
        verdict = _WORDS.get(self.word, f"{self.word}:")
        return f"{verdict} {self.reference}; 95 % interval {low} to {high} ({self.how})"


def judge(
    new: Sequence[float], earlier: Sequence[float], num_images: int, reference: str = ""
) -> Verdict:
    """Return the verdict on new test accuracies, by earlier ones of the same recipe.

    A side with several runs gives a t interval, for the mean or the single run of the other side.
    If both sides have several, the earlier one gives it. With one run on both sides the spread over
    the seeds is unknown: a figure outside the Wilson interval of the new run may come from the
    seed.

    Args:
      new, earlier: accuracies, fractions, one for each run; at least one each.
      num_images: of the test split.
      reference: the earlier accuracies as text.
    """
    mean, mean_earlier = statistics.mean(new), statistics.mean(earlier)
    if len(earlier) > 1:
        low, high = prediction_interval(earlier, len(new), num_images)
        how = f"t, for {_runs(len(new))} from the earlier {len(earlier)}"
        word = "below" if mean < low else "above" if mean > high else "within"
    elif len(new) > 1:
        low, high = prediction_interval(new, 1, num_images)
        how = f"t, for one run from these {len(new)}"
        word = "above" if mean_earlier < low else "below" if mean_earlier > high else "within"
    else:
        low, high = wilson_interval(mean, num_images)
        how = "Wilson, of the one run; the seeds' spread is unknown"
        word = "within" if low <= mean_earlier <= high else UNKNOWN
    return Verdict(word, reference, (low, high), how)


def judge_runs(
    config: Mapping[str, Any], runs: Sequence[SavedRun], kept: Iterable[RecipeGroup]
) -> dict[str, Verdict]:
    """Return the verdicts on finished runs of one recipe, by "kept records" and "published".

    Raises:
      UserError: the first run has no evaluation, whose number of images is needed.
    """
    evaluation, folder = runs[0].evaluation, runs[0].folder
    if "num_examples" not in evaluation:
        raise UserError(f"{folder / TEST_EVALUATION}: gives no num_examples, the number of images")
    new = [run.result["test_accuracy"] for run in runs if run.result]
    num_images = int(evaluation["num_examples"])
    return {
        "kept records": _beside_kept(config, runs, num_images, kept),
        "published": _beside_published(config, new, num_images),
    }


def _beside_kept(
    config: Mapping[str, Any],
    runs: Sequence[SavedRun],
    num_images: int,
    kept: Iterable[RecipeGroup],
) -> Verdict:
    groups = [group for group in groups_of(config, kept) if group.finished]
    if not groups:
        return Verdict("none of this recipe", "")
    same = [group for group in groups if _has_same_images(group.run, runs[0])]
    if not same:
        return Verdict("not compared", "the kept records are of other images")
    group = same[0]
    accuracy = group.result("test_accuracy")
    text = f"{mean_text(accuracy, percent)}, n = {len(group.finished)}, {records.code(group)}"
    earlier = {r.config["seed"]: r.result["test_accuracy"] for r in group.finished if r.result}
    equal = [
        run.config["seed"]
        for run in runs
        if run.result and earlier.get(run.config["seed"]) == run.result["test_accuracy"]
    ]
    others = [r.result["test_accuracy"] for r in runs if r.result and r.config["seed"] not in equal]
    if not group.run.fingerprint("test"):
        text += "; their images are not recorded"
    if equal:
        text += f"; the same figure for seed {', '.join(map(str, equal))}"
    if not others:  # the same runs again, which are no second sample
        return Verdict("equal", text)
    return judge(others, list(earlier.values()), num_images, text)


def _has_same_images(kept: SavedRun, new: SavedRun) -> bool:
    """Return whether a kept run has the images of a new one; an older one may not record them."""
    views = ("train", "test")
    return all(kept.fingerprint(view) in ("", new.fingerprint(view)) for view in views)


def _beside_published(config: Mapping[str, Any], new: Sequence[float], num_images: int) -> Verdict:
    published = config["published"]
    figures = FIGURES.get(published["name"])
    if not published["accuracy"]:
        best = f"; the best epoch's is {percent(figures.best)}" if figures and figures.best else ""
        return Verdict(f"no figure of the last epoch{best}", "")
    text = (figures.words if figures else "") or percent(published["accuracy"])
    if published["differs"]:
        return Verdict("not compared", f"{text}, but {published['differs']}")
    if published["recipe"] not in ("", recipe_digest(config)):
        return Verdict("not compared", f"{text}, but fields of the recipe are changed")
    if figures and figures.note:
        text += f" ({figures.note})"
    return judge(new, [published["accuracy"]], num_images, f"{text}, one run, seed unknown")


def summarize(name: str, runs: Sequence[SavedRun], verdicts: Mapping[str, Verdict]) -> list[str]:
    """Return the lines that tell the result of runs of the recipe `name`."""
    accuracies = [run.result["test_accuracy"] for run in runs if run.result]
    numbers = [str(run.config["seed"]) for run in runs]
    seeds = f"seed{'s' * (len(numbers) > 1)} {', '.join(numbers)}"
    listed = ", ".join(map(percent, accuracies))
    mean = mean_text(MeanAndStd.of(accuracies), percent)
    summary = f" (mean ± standard deviation {mean})" if len(accuracies) > 1 else ""
    return [
        f"{name}, {seeds}: test accuracy {listed}{summary}",
        *(f"{what}: {verdict}" for what, verdict in verdicts.items()),
    ]


def _runs(number: int) -> str:
    return "one run" if number == 1 else f"the mean of {number} runs"

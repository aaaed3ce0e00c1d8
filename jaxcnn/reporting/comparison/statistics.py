"""Intervals and tests of accuracies; all intervals are of 95 %, all tests are two-sided.

The sample is the seeds where a recipe has several runs, and the test images where it has one.

Sources:
  Student 1908, The Probable Error of a Mean.
  Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
  Welch 1947, The Generalization of "Student's" Problem.
  McNemar 1947, Note on the Sampling Error of the Difference between Correlated Proportions.
  Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
  Agresti and Caffo 2000, Simple and Effective Confidence Intervals for Proportions.
  Agresti and Min 2005, Simple Improved Confidence Intervals for Comparing Matched Proportions.
"""

import dataclasses
import math
import statistics
from collections.abc import Sequence

from scipy.special import bdtr, ndtr, ndtri, stdtr, stdtrit

LEVEL = 0.95
ALPHA = 1 - LEVEL
_QUANTILE = (1 + LEVEL) / 2
_NORMAL = float(ndtri(_QUANTILE))
_LEAST_VARIANCE = 1e-24  # not 0, by which the tests would divide
Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Difference:
    """The difference of two accuracies, and the test of its being 0.

    Attributes:
      value: the first accuracy minus the second, fractions.
      interval: its interval.
      p: the probability of a difference as large or larger if there is none.
      test: the name of the test.
    """

    value: float
    interval: Interval
    p: float
    test: str


def mean_interval(accuracies: Sequence[float], num_images: int | None = None) -> Interval:
    """Return the interval for a recipe's mean accuracy over all seeds, by Student's t.

    Args:
      accuracies: fractions, one for each seed, two or more.
      num_images: of the test split; None if unknown.
    """
    n = len(accuracies)
    error = math.sqrt(_variance(accuracies, num_images) / n)
    return _clipped(statistics.mean(accuracies), float(stdtrit(n - 1, _QUANTILE)) * error)


def prediction_interval(accuracies: Sequence[float], num_runs: int, num_images: int) -> Interval:
    """Return the interval for the mean of `num_runs` further runs, by Student's t.

    It is at least one image wide on each side: equal accuracies of a few runs are no certainty.
    """
    n = len(accuracies)
    quantile = float(stdtrit(n - 1, _QUANTILE))
    half = quantile * statistics.stdev(accuracies) * math.sqrt(1 / n + 1 / num_runs)
    return _clipped(statistics.mean(accuracies), max(half, 1 / num_images))


def wilson_interval(accuracy: float, num_images: int) -> Interval:
    """Return the interval for the accuracy of one network on images like the tested ones."""
    share, square = round(accuracy * num_images) / num_images, _NORMAL**2 / num_images
    half = _NORMAL * math.sqrt((share * (1 - share) + square / 4) / num_images)
    return _clipped((share + square / 2) / (1 + square), half / (1 + square))


def compare_seeds(
    first: Sequence[float], second: Sequence[float], num_images: int | None = None
) -> Difference:
    """Return the difference of the mean accuracies of two recipes; one of them has several seeds.

    With several seeds on both sides it is Welch's t test. A single run has no spread: Student's t
    test then takes that of the other side for both.

    Args:
      first, second: accuracies, fractions, one for each seed.
      num_images: of the test split; None if unknown.
    """
    value = statistics.mean(first) - statistics.mean(second)
    sizes = len(first), len(second)
    variances = [_variance(x, num_images) for x in (first, second) if len(x) > 1]
    if len(variances) == 2:
        test = "Welch's t"
        shares = [variance / n for variance, n in zip(variances, sizes, strict=True)]
        parts = (share**2 / (n - 1) for share, n in zip(shares, sizes, strict=True))
        square = sum(shares)
        freedom = square**2 / sum(parts)
    else:
        test = "Student's t, one run against several"
        square, freedom = variances[0] * sum(1 / n for n in sizes), max(sizes) - 1
    error = math.sqrt(square)
    half = float(stdtrit(freedom, _QUANTILE)) * error
    p = 2 * float(stdtr(freedom, -abs(value) / error))
    return _difference(value, value, half, p, test)


def compare_answers(only_first: int, only_second: int, num_images: int) -> Difference:
    """Return the difference of two networks on the same images, by McNemar's exact test.

    The interval is that of Agresti and Min, which adds half an image to each of the four counts.

    Args:
      only_first, only_second: the images that only the one network classifies correctly.
      num_images: all images.
    """
    unequal, size = only_first + only_second, num_images + 2
    p = min(1.0, 2 * float(bdtr(min(only_first, only_second), unequal, 0.5)))
    center = (only_first - only_second) / size
    half = _NORMAL * math.sqrt((unequal + 1) / size - center**2) / math.sqrt(size)
    test = f"McNemar's, exact ({only_first:,} : {only_second:,} images)"
    value = (only_first - only_second) / num_images
    return _difference(value, center, half, p, test)


def compare_counts(first: float, second: float, num_images: int) -> Difference:
    """Return the difference of two networks, given only their accuracies.

    Interval and test are those of Agresti and Caffo for two separate sets of images. Here both sets
    are the same, so they find a difference less often than `compare_answers` does.

    Args:
      first, second: accuracies, fractions.
      num_images: of the test split.
    """
    size = num_images + 2
    shares = [(round(accuracy * num_images) + 1) / size for accuracy in (first, second)]
    center = shares[0] - shares[1]
    error = math.sqrt(sum(share * (1 - share) for share in shares) / size)
    half, p = _NORMAL * error, 2 * float(ndtr(-abs(center) / error))
    return _difference(first - second, center, half, p, "z, images not paired")


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values of tests, corrected for their number, in the same order."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _variance(accuracies: Sequence[float], num_images: int | None) -> float:
    """Return the sample variance, at least that of rounding to whole images."""
    rounding = 1 / (12 * num_images**2) if num_images else _LEAST_VARIANCE
    return max(statistics.variance(accuracies), rounding)


def _difference(value: float, center: float, half: float, p: float, test: str) -> Difference:
    interval = max(center - half, -1.0), min(center + half, 1.0)
    return Difference(value, interval, p, test)


def _clipped(center: float, half: float) -> Interval:
    return max(center - half, 0.0), min(center + half, 1.0)

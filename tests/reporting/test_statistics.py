"""Intervals and tests: textbook examples, symmetry, and coverage by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxcnn.reporting.comparison.statistics import (
    compare_answers,
    compare_counts,
    compare_seeds,
    holm,
    mean_interval,
    wilson_interval,
)

SIZE = 10_000  # images
accuracy = st.integers(0, SIZE).map(lambda correct: correct / SIZE)
several = st.lists(accuracy, min_size=2, max_size=6)
counts = st.integers(0, SIZE // 2)


def assert_opposite(there, back):
    assert there.value == pytest.approx(-back.value)
    assert there.interval == pytest.approx([-end for end in reversed(back.interval)])
    assert there.p == pytest.approx(back.p, rel=1e-6)


@settings(deadline=None)
@given(several, st.lists(accuracy, min_size=1, max_size=6), counts, counts)
def test_tests_are_symmetric(first, second, only_first, only_second):
    assert_opposite(compare_seeds(first, second, SIZE), compare_seeds(second, first, SIZE))
    assert_opposite(
        compare_answers(only_first, only_second, SIZE),
        compare_answers(only_second, only_first, SIZE),
    )
    one, other = first[0], second[0]
    assert_opposite(compare_counts(one, other, SIZE), compare_counts(other, one, SIZE))


@settings(deadline=None)
@given(several, counts)
def test_equals_cannot_be_told_apart(accuracies, only):
    for difference in (
        compare_seeds(accuracies, accuracies, SIZE),
        compare_seeds(accuracies, accuracies),
        compare_answers(only, only, SIZE),
        compare_counts(accuracies[0], accuracies[0], SIZE),
    ):
        assert difference.value == 0 and difference.p == pytest.approx(1)
        low, high = difference.interval
        assert low <= 0 <= high


@settings(deadline=None)
@given(several, several)
def test_the_interval_of_seeds_holds_0_where_the_test_finds_nothing(first, second):
    difference = compare_seeds(first, second, SIZE)
    low, high = difference.interval
    assert (low <= 0 <= high) == (difference.p >= 0.05) or difference.p == pytest.approx(0.05)
    for accuracies in (first, second):
        low, high = mean_interval(accuracies, SIZE)
        assert 0 <= low <= sum(accuracies) / len(accuracies) + 1e-12 and high <= 1


def test_mcnemar_of_textbooks():
    """25 of 30 pairs in one direction: p = 2 · P(X ≤ 5), X binomial with n = 30, p = 1/2."""
    p = 2 * sum(math.comb(30, k) for k in range(6)) / 2**30
    difference = compare_answers(25, 5, 100)
    assert difference.p == pytest.approx(p, rel=1e-9) and difference.value == 0.2
    # Agresti, Categorical Data Analysis: 150 and 86 of 1600 people; Agresti and Min's interval
    low, high = compare_answers(150, 86, 1600).interval
    assert (low, high) == pytest.approx((0.0212, 0.0587), abs=1e-4)
    assert compare_answers(0, 0, 100).p == 1 and compare_answers(5, 0, 100).p == 0.0625


def test_welch_and_student_of_textbooks():
    """Both are SciPy's tests for samples; one run against several is the test of equal variances,
    with all of the spread from the several."""
    from scipy import stats

    first, second = [0.271, 0.218, 0.205, 0.304], [0.332, 0.298, 0.361]
    expected = stats.ttest_ind(first, second, equal_var=False)
    difference = compare_seeds(first, second)
    assert difference.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert difference.interval == pytest.approx((interval.low, interval.high))
    expected = stats.ttest_ind(first, [0.4])
    assert compare_seeds(first, [0.4]).p == pytest.approx(expected.pvalue)


def test_equal_seeds_are_no_certainty():
    low, high = mean_interval([0.9, 0.9], 100)
    assert high - low == pytest.approx(2 * 12.706 * 0.01 / math.sqrt(24), rel=1e-3)
    assert compare_seeds([0.9, 0.9], [0.91, 0.91], 100).p > 0.05
    assert compare_seeds([0.9, 0.9], [0.99, 0.99], 100).p < 0.05


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_raises_no_certainty(p_values):
    corrected = holm(p_values)
    for before, after in zip(p_values, corrected, strict=True):
        assert before <= after <= 1
    ranks = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(corrected)[ranks]) >= 0)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.02]) == [0.02] and holm([]) == []


def share(trials, draw):
    random = np.random.default_rng(0)
    return np.mean([draw(random) for _ in range(trials)])


def test_intervals_cover_95_percent():
    """Of 2,000 experiments; 94 to 96 % is two standard errors."""

    def seeds(random):
        low, high = mean_interval(random.normal(0.6, 0.01, 4).tolist(), SIZE)
        return low <= 0.6 <= high

    def one_run(random):
        low, high = wilson_interval(random.binomial(500, 0.9) / 500, 500)
        return low <= 0.9 <= high

    def welch(random):
        first, second = random.normal(0.6, 0.01, 4), random.normal(0.57, 0.03, 6)
        low, high = compare_seeds(first.tolist(), second.tolist(), SIZE).interval
        return low <= 0.03 <= high

    def answers(random):
        _, only_first, only_second = random.multinomial(500, (0.8, 0.15, 0.05))
        low, high = compare_answers(int(only_first), int(only_second), 500).interval
        return low <= 0.1 <= high

    for draw in (seeds, one_run, welch, answers):
        assert 0.935 <= share(2000, draw) <= 0.965, draw.__name__


def test_tests_of_equal_recipes_find_a_difference_in_5_percent_at_most():
    def welch(random):
        first, second = random.normal(0.6, 0.01, 3), random.normal(0.6, 0.02, 3)
        return compare_seeds(first.tolist(), second.tolist(), SIZE).p < 0.05

    def answers(random):
        _, only_first, only_second = random.multinomial(500, (0.8, 0.1, 0.1))
        return compare_answers(int(only_first), int(only_second), 500).p < 0.05

    def paired_images_without_predictions(random):
        """The same images, so that the two networks err on many of them together."""
        both, only_first, only_second = random.multinomial(500, (0.8, 0.1, 0.1))
        return compare_counts((both + only_first) / 500, (both + only_second) / 500, 500).p < 0.05

    def one_of_ten_after_holm(random):
        runs = random.normal(0.6, 0.01, (10, 4)).tolist()
        return min(holm([compare_seeds(run, runs[0], SIZE).p for run in runs[1:]])) < 0.05

    for draw in (welch, answers, paired_images_without_predictions, one_of_ten_after_holm):
        assert share(1000, draw) <= 0.065, draw.__name__

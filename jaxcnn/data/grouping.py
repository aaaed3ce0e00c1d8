"""Parts of the examples that have the same share of each class, and keep groups together.

A group is, for example, all pictures of a patient.
"""

import numpy as np

TEST_FRACTION = 0.2  # of a set without a test split
TEST_SEED = 0  # of the choice of its test split


def stratified_test(labels: np.ndarray) -> np.ndarray:
    """Return whether each example belongs to the test split, bool (n,).

    The test split has a fifth of each class, and at least one example of a class of two or more.

    Args:
      labels: int (n,).
    """
    random = np.random.default_rng(TEST_SEED)
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(round(TEST_FRACTION * len(members)), min(1, len(members) - 1))
        is_test[random.permutation(members)[:count]] = True
    return is_test


def choose_groups(groups: np.ndarray, labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return whether each example is chosen, bool (n,); a group is chosen as a whole.

    Groups are tried from the largest to the smallest. One is chosen if that brings the chosen
    share of every class closer to the fraction. No class is chosen whole.

    Args:
      groups: the group of each example (n,); an example with "" is a group of its own.
      labels: int (n,).
      fraction: of the examples of each class.
      seed: of the order of groups of the same size.
    """
    numbers, shares = _group_shares(groups, labels)
    is_chosen, chosen = np.zeros(len(shares), bool), np.zeros(shares.shape[1])
    for group in _largest_first(numbers, np.random.default_rng(seed)):
        after = chosen + shares[group]
        is_closer = ((after - fraction) ** 2).sum() < ((chosen - fraction) ** 2).sum()
        if is_closer and (after < 1 - 1e-9).all():
            chosen, is_chosen[group] = after, True
    return is_chosen[numbers]


def assign_folds(
    labels: np.ndarray, groups: np.ndarray | None, num_folds: int, seed: int
) -> np.ndarray:
    """Return the fold of each example, int (n,), from 0 to `num_folds - 1`.

    Without groups, the folds' sizes differ by at most one, and so do their numbers of each class.
    With groups, each group goes to the fold that has least of its classes, the largest group first.

    Args:
      labels: int (n,).
      groups: see `choose_groups`; None for none.
      num_folds: at most the number of groups.
      seed: of the order.
    """
    random = np.random.default_rng(seed)
    if groups is None:
        order = random.permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]
        folds = np.empty(len(labels), np.int64)
        folds[order] = np.arange(len(labels)) % num_folds
        return folds
    numbers, shares = _group_shares(groups, labels)
    filled, chosen = np.zeros((num_folds, shares.shape[1])), np.zeros(len(shares), np.int64)
    for group in _largest_first(numbers, random):
        cost = filled @ shares[group] + 1e-6 * filled.sum(axis=1)
        chosen[group] = np.argmin(cost)
        filled[chosen[group]] += shares[group]
    return chosen[numbers]


def _group_shares(groups: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each example's group (n,), and each group's share of each class (groups, classes)."""
    numbers = _group_numbers(groups)
    classes, columns = np.unique(labels, return_inverse=True)
    counts = np.zeros((numbers.max() + 1, len(classes)))
    np.add.at(counts, (numbers, columns), 1)
    return numbers, counts / counts.sum(axis=0)


def _largest_first(numbers: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the groups from the largest to the smallest, those of one size in random order."""
    sizes = np.bincount(numbers)
    order = random.permutation(len(sizes))
    return order[np.argsort(-sizes[order], kind="stable")]


def _group_numbers(groups: np.ndarray) -> np.ndarray:
    """Return the number of each example's group, int (n,)."""
    names, numbers = np.unique(groups, return_inverse=True)
    alone = np.flatnonzero(groups == "")
    numbers[alone] = len(names) + np.arange(len(alone))
    return np.unique(numbers, return_inverse=True)[1]

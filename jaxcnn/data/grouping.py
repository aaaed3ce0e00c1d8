"""Choosing whole groups of examples, such as all pictures of a patient, with the share of each
class that a split should have.
"""

import numpy as np


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
    numbers = _group_numbers(groups)
    classes, columns = np.unique(labels, return_inverse=True)
    counts = np.zeros((numbers.max() + 1, len(classes)))
    np.add.at(counts, (numbers, columns), 1)
    shares = counts / counts.sum(axis=0)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    is_chosen, chosen = np.zeros(len(counts), bool), np.zeros(len(classes))
    for group in order:
        after = chosen + shares[group]
        is_closer = ((after - fraction) ** 2).sum() < ((chosen - fraction) ** 2).sum()
        if is_closer and (after < 1 - 1e-9).all():
            chosen, is_chosen[group] = after, True
    return is_chosen[numbers]


def _group_numbers(groups: np.ndarray) -> np.ndarray:
    """Return the number of each example's group, int (n,)."""
    names, numbers = np.unique(groups, return_inverse=True)
    alone = np.flatnonzero(groups == "")
    numbers[alone] = len(names) + np.arange(len(alone))
    return np.unique(numbers, return_inverse=True)[1]

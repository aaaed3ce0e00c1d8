"""What the tests of whole networks share."""

import gc

import jax
import pytest


@pytest.fixture
def forgotten():
    """The programs of a test are forgotten after it: those of large networks fill the memory."""
    yield
    jax.clear_caches()
    gc.collect()

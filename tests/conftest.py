"""What holds for every test."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

# The same examples in every run, and no test that fails because the machine was busy.
settings.register_profile("scanout", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("scanout")


@pytest.fixture(autouse=True, scope="module")
def _small_heap() -> None:
    """Tests that look for leaks collect garbage each time: not, then, through all that was there before.

    What is frozen stays so: each module looks through what the one before it has made, and no further. The
    heap of the whole suite takes a second or more.
    """
    gc.collect()
    gc.freeze()

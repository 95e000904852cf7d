"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run, and no test that fails because the machine was busy.
settings.register_profile("scanout", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("scanout")

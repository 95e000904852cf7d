"""The same examples in every run."""

from hypothesis import settings

settings.register_profile("exact", deadline=None, derandomize=True, max_examples=15)
settings.load_profile("exact")

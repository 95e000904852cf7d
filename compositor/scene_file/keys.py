"""Which key of a file is to blame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from compositor.errors import BadInput, Misuse


@contextmanager
def at_key(key: str) -> Iterator[None]:
    """Blame on `key` what is refused meanwhile.

    Raises:
        BadInput: "KEY: what was wrong with it".
    """
    try:
        yield
    except (BadInput, Misuse) as error:
        raise BadInput(f"{key}: {error}") from None

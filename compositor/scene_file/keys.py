"""Which key of a file is to blame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from compositor.errors import BadInput
from virtio.errors import Misuse


@contextmanager
def at_key(key: str) -> Iterator[None]:
    """Whatever is refused meanwhile is to be blamed on `key`.

    Raises:
        BadInput: "KEY: what was wrong with it".
    """
    try:
        yield
    except (BadInput, Misuse) as error:
        raise BadInput(f"{key}: {error}") from None

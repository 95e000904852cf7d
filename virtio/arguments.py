"""Checks of what a caller passes: a wrong type is the caller's mistake, named as such where it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable

from virtio.errors import Misuse


def check_type(name: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Refuse a value of another type; a truth value is no number.

    Raises:
        Misuse: It is; `wanted` says what is needed.
    """
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise Misuse(f"{name}={shown(value)}: {wanted} is needed")


def check_whole(name: str, value: object, least: int = 0) -> None:
    """Refuse what is no whole number, or a smaller one.

    Raises:
        Misuse: It is.
    """
    check_type(name, value, int, f"a whole number, {least} or more,")
    if isinstance(value, int) and value < least:
        raise Misuse(f"{name}={value}: a whole number, {least} or more, is needed")


def check_seconds(name: str, value: object) -> None:
    """Refuse what is no length of time.

    Raises:
        Misuse: It is negative, without end, or no number.
    """
    check_type(name, value, (int, float), "a number of seconds, 0 or more,")
    if isinstance(value, int | float) and not 0 <= value < math.inf:
        raise Misuse(f"{name}={value:g}: a number of seconds, 0 or more, is needed")


def check_one_of(name: str, value: object, known: Iterable[str]) -> None:
    """Refuse what is none of a few words.

    Raises:
        Misuse: It is not.
    """
    known = tuple(known)
    if value not in known:
        raise Misuse(f"{name}={shown(value)}: there are {', '.join(known)}")


def check_list(name: str, value: object, kind: type, wanted: str) -> None:
    """Refuse what is no list or tuple of such values; a text is no list of its letters.

    Raises:
        Misuse: It is none.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, kind) for item in value):
        raise Misuse(f"{name}={shown(value)}: {wanted} is needed")


def shown(value: object) -> str:
    """A value in a message: short, on one line, and of arrays no content."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"<{type(value).__name__} {shape}>"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."

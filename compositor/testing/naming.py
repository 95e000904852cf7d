"""Names of tests and pictures as names of files: readable, and safe on every file system."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from compositor.errors import BadInput

if TYPE_CHECKING:
    import pytest

FOLDER = "golden"
"""Beside the tests: it has a folder for each file of tests that uses golden pictures."""

_LONGEST = 120  # characters; file systems take 255 bytes
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def safe(text: str) -> str:
    """`text` as a part of a file's name; another text gives another name.

    Letters, digits, dots, hyphens and underscores stay. Where anything else was replaced, or cut off, a short
    checksum of the text tells it from its likes.
    """
    name = _UNSAFE.sub("-", text).strip("-.")
    if name == text and len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("-")


def folder_of(file: Path) -> Path:
    """Where the golden pictures of a file of tests lie."""
    return file.parent / FOLDER / file.stem


def picture_name(item: pytest.Function, name: str | None) -> str:
    """What the golden picture of a test is called: the test, its parameters, its name within the test.

    Raises:
        BadInput: The name is empty, or no text.
    """
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise BadInput(f"a picture's name is a text that is not empty, not {name!r}")
    owners = [node.name for node in item.listchain() if type(node).__name__ == "Class"]
    parts = [*owners, getattr(item, "originalname", None) or item.name]
    callspec = getattr(item, "callspec", None)
    parameters = f"--{safe(callspec.id)}" if callspec is not None and callspec.id else ""
    return ".".join(map(safe, parts)) + parameters + ("" if name is None else f".{safe(name)}")

"""Golden pictures of one file of tests: where they lie, which are approved, and which test owns one.

`wall.png` is the first approved picture, `wall~2.png`, `wall~3.png` are further ones that are as good. An
owner writes its name where xdist's other workers find it, so that two tests never use one picture.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


def claim(owners: dict[str, str], claims: Path | None, golden: Path, test: str) -> str:
    """Let a test own a golden picture for this run, if no other does.

    Args:
        owners: Of this process; the test is entered.
        claims: Where xdist's workers say what they own; None: there is one process.
        golden: The first approved picture.
        test: Its name.

    Returns:
        The owner.
    """
    key = str(golden).casefold()  # on some file systems it is one file
    owner = owners.setdefault(key, test)
    return owner if claims is None or owner != test else _claim_among_workers(claims, key, test)


def _claim_among_workers(folder: Path, key: str, test: str) -> str:
    """The owner of a golden picture: this test, or the one that was first."""
    folder.mkdir(exist_ok=True)
    path = folder / hashlib.sha256(key.encode()).hexdigest()
    part = folder / f"{path.name}.{os.getpid()}"
    part.write_text(test)
    try:
        os.link(part, path)  # with its content, or not at all
    except FileExistsError:
        return path.read_text()
    finally:
        part.unlink()
    return test


def approved(golden: Path) -> Iterator[Path]:
    """The approved pictures of this name, the first one first; none of them is there yet when it is new."""
    if golden.exists():
        yield golden
    yield from sorted(golden.parent.glob(f"{golden.stem}~*.png"))


def is_approved(golden: Path, used: set[Path]) -> bool:
    """Whether this picture, or the one that it is another approved one of, is among those used."""
    first = golden.with_name(f"{golden.stem.rpartition('~')[0] or golden.stem}.png")
    return golden in used or first in used

"""`scanout compare`: two pictures, or the pictures of two directories."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compositor.commands.options import check_writable
from compositor.compare import Comparison, Still, Tolerance, open_golden
from compositor.compare import compare as compare_pictures
from compositor.compare.directories import Pairs, pair
from compositor.compare.golden import parse_golden
from compositor.compare.png import LARGEST_FILE
from compositor.errors import BadInput, RunFailed
from compositor.pixels.screenshot import save_png

_STANDARD_INPUT = Path("-")
_RECTANGLE = re.compile(r"-?\d+,-?\d+,\d+,\d+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for.

    Attributes:
        tolerance: What may differ.
        mask: What is left out: rectangles, and paths of PNG files.
        clip: What is compared; empty for all.
        difference: Where the picture of a difference goes, a directory where directories are compared.
        as_json: Print JSON.
    """

    tolerance: Tolerance
    mask: Sequence[Any]
    clip: Sequence[Any]
    difference: Path | None
    as_json: bool

    def compare(self, expected: Still, actual: Still) -> Comparison:
        """Compare two pictures in this way."""
        return compare_pictures(
            expected, actual, tolerance=self.tolerance, mask=self.mask or None, clip=self.clip or None
        )


def compare(
    a: Path,
    b: Path,
    *,
    tolerance: str | None,
    fuzz: int | None,
    mask: Sequence[str],
    clip: Sequence[str],
    difference: Path | None,
    as_json: bool,
) -> None:
    """Compare two PNG files, "-" for standard input, or all those of two directories.

    Raises:
        RunFailed: They differ.
        BadInput: A file cannot be read, an option makes no sense, or the difference cannot be written.
    """
    wanted = Wanted(_tolerance(tolerance, fuzz), _region(mask), _region(clip), difference, as_json)
    if a.is_dir() and b.is_dir():
        _compare_directories(a, b, wanted)
    elif a.is_dir() or b.is_dir():
        raise BadInput(f"{a} and {b}: one is a directory; give two files or two directories")
    else:
        _compare_files(a, b, wanted)


def _tolerance(text: str | None, fuzz: int | None) -> Tolerance:
    if fuzz is None:
        return Tolerance.of(text)
    if text is not None:
        raise BadInput(f"--fuzz {fuzz} with --tolerance: write --tolerance {text},channel={fuzz}")
    if not 0 <= fuzz <= 255:
        raise BadInput(f"--fuzz {fuzz}: must be 0 to 255")
    return Tolerance(channel=fuzz)


def _region(given: Sequence[str]) -> list[Any]:
    """Rectangles "x,y,width,height" as numbers; all else is a path."""
    return [tuple(map(int, part.split(","))) if _RECTANGLE.fullmatch(part) else part for part in given]


def _compare_files(a: Path, b: Path, wanted: Wanted) -> None:
    if a == b == _STANDARD_INPUT:
        raise BadInput("- and -: standard input has one picture; give the other as a file")
    if wanted.difference is not None:
        _check_difference(wanted.difference, a, b)
    found = wanted.compare(_opened(a), _opened(b))
    written = None if found.equal else wanted.difference
    if written is not None:
        save_png(written, found.image)
    if wanted.as_json:
        _print_json({"first": str(a), "second": str(b), **found.to_json(), "difference": _text(written)})
    elif found.equal:
        print(f"{a} and {b} are {found}")
    elif written is not None:
        print(f"wrote {written}")
    if not found.equal:
        raise RunFailed(f"{a} and {b} differ: {found}")


def _check_difference(path: Path, a: Path, b: Path) -> None:
    check_writable("--difference", path)
    for given in (a, b):
        if path.exists() and given.exists() and path.samefile(given):
            raise BadInput(f"--difference {path}: is {given}, which is compared; name another file")


def _opened(path: Path) -> Still:
    if path != _STANDARD_INPUT:
        return open_golden(path)
    data = sys.stdin.buffer.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise BadInput(f"standard input has more than {LARGEST_FILE} bytes")
    return parse_golden("standard input", data)


def _compare_directories(a: Path, b: Path, wanted: Wanted) -> None:
    pairs = pair(a, b)
    if wanted.difference is not None:
        _check_difference_directory(wanted.difference, a, b)
    results: dict[str, dict[str, Any]] = {}
    for name in pairs.both:
        results[name] = _compare_pair(a, b, name, wanted)
    for name in pairs.first + pairs.second:
        alone = a if name in pairs.first else b
        results[name] = {"equal": False, "said": f"in {alone} alone"}
    _report(a, b, results, pairs, wanted)


def _check_difference_directory(path: Path, a: Path, b: Path) -> None:
    if path.exists() and not path.is_dir():
        raise BadInput(f"--difference {path}: is a file; directories are compared, so name a directory")
    _check_outside(path, a, b)


def _check_outside(path: Path, a: Path, b: Path) -> None:
    target = path.resolve()  # where links lead
    for given in (a, b):
        if target.is_relative_to(given.resolve()):
            raise BadInput(f"--difference {path}: lies in {given}, which is compared; name another directory")


def _compare_pair(a: Path, b: Path, name: str, wanted: Wanted) -> dict[str, Any]:
    """One entry of the result; a file that cannot be read does not keep the others from being compared."""
    try:
        found = wanted.compare(open_golden(a / name), open_golden(b / name))
    except BadInput as error:
        return {"equal": None, "said": str(error)}
    written = None if found.equal or wanted.difference is None else wanted.difference / name
    if written is not None:
        _check_outside(written, a, b)
        try:
            written.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"--difference {written.parent}: {error.strerror}") from None
        save_png(written, found.image)
    return {**found.to_json(), "difference": _text(written), "said": str(found)}


def _report(a: Path, b: Path, results: dict[str, dict[str, Any]], pairs: Pairs, wanted: Wanted) -> None:
    """Print the results and fail unless all are equal."""
    verdicts = [result["equal"] for result in results.values()]
    equal, unreadable = verdicts.count(True), verdicts.count(None)
    missing = len(pairs.first) + len(pairs.second)
    numbers = {
        "equal": equal,
        "different": len(pairs.both) - equal - unreadable,
        "in one alone": missing,
        "unreadable": unreadable,
    }
    if wanted.as_json:
        alone = {"first_alone": pairs.first, "second_alone": pairs.second}
        document = {"first": str(a), "second": str(b), "equal": equal == len(results), **alone}
        pictures = {name: results[name] for name in pairs.both}
        _print_json({**document, "pictures": pictures})
    else:
        for name, result in sorted(results.items()):
            if result["said"] != "equal":
                print(f"{name}: {result['said']}")
    summary = ", ".join(f"{number} {what}" for what, number in numbers.items() if number)
    if unreadable:
        raise BadInput(f"{a} and {b}: {summary}")
    if equal < len(results):
        raise RunFailed(f"{a} and {b} differ: {summary}")
    if not wanted.as_json:
        print(f"{a} and {b} are equal: {equal} pictures")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2))

"""Scene files: a text is a scene, or is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import compositor.scene_file
from compositor.errors import BadInput
from compositor.scene_file.read import parse_scene
from tests.fuzz.target import Target, check_refusal
from virtio.errors import ScanoutError

_BUILTIN = files(compositor.scene_file) / "builtin"


def run(data: bytes) -> None:
    """Read a text; a stranger's scene may not name programs."""
    try:
        parse_scene(data.decode("utf-8", "replace"), "scene")
    except BadInput as refusal:
        check_refusal(refusal, "scene")
    except ScanoutError as error:
        raise AssertionError(f"not a refusal: {error!r}") from error


def texts() -> list[str]:
    """The scenes that ship."""
    return [path.read_text() for path in sorted(_BUILTIN.iterdir(), key=str) if path.name.endswith(".toml")]


def seeds() -> Iterator[bytes]:
    """The scenes that ship, whole and table by table."""
    for text in texts():
        yield text.encode()
        tables = text.split("\n\n")
        for count in range(1, len(tables), 2):
            yield "\n\n".join(tables[:count]).encode()


def words() -> tuple[bytes, ...]:
    """Each line of them, and each key."""
    lines = {line.strip() for text in texts() for line in text.splitlines() if line and line[0] != "#"}
    keys = {line.split("=")[0].strip() for line in lines if "=" in line}
    return tuple(word.encode() for word in sorted(lines | keys) if len(word) < 60)


TARGET = Target(run, seeds, longest=4096, words=words())

"""Reads scene files: text -> TOML -> tables of known keys -> a scene that was checked, or one line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from compositor.errors import BadInput
from compositor.scene_file.keys import at_key
from compositor.scene_file.scene import SceneFile
from compositor.scene_file.schema import SceneTable

# What msgspec says: "Expected `int`, got `str` - at `$.outputs[1].mode`"; the path is left out at the top.
_COMPLAINT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<key>.*)`)?", re.DOTALL)


def read_scene(path: Path, modes: Sequence[str] | None = None) -> SceneFile:
    """The scene in a file, checked and ready to start.

    Args:
        path: The file.
        modes: The modes of its outputs, instead of the file's; see `with_modes`.

    Raises:
        BadInput: It cannot be read, is no TOML, or says something that cannot be; the message names the key.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not a text: a scene is a TOML file in UTF-8") from None
    return parse_scene(text, str(path), modes)


def parse_scene(text: str, name: str, modes: Sequence[str] | None = None) -> SceneFile:
    """The scene in a text, checked and ready to start.

    Args:
        text: TOML.
        name: The file's name, for messages.
        modes: The same as for `read_scene`.

    Raises:
        BadInput: The same as `read_scene`.
    """
    with at_key(name):
        return SceneFile(parse_table(text), modes)


def parse_table(text: str) -> SceneTable:
    """The tables of a text, as far as their keys and types are concerned.

    Raises:
        BadInput: It is no TOML, or has a key that does not exist or is of another type.
    """
    try:
        return msgspec.convert(tomllib.loads(text), SceneTable)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"no TOML: {error}") from None
    except msgspec.ValidationError as error:
        complaint = _COMPLAINT.fullmatch(str(error))
        assert complaint is not None
        what = complaint["what"].replace("Object", "table").replace("`", "")
        raise BadInput(f"{complaint['key']}: {what}" if complaint["key"] else what) from None

"""Reads scene files: text -> TOML -> tables of known keys -> a scene that was checked, or one line.

A scene may come from a stranger, so its size is limited, and so is what it makes this machine run: the table
of a real guest can name a kernel, which is a program here, and a command, an archive, a root or arguments of
the virtual machine; that of a simulated one a module or a picture. Those need the user's word.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from compositor.errors import BadInput
from compositor.scene_file.keys import at_key
from compositor.scene_file.scene import SceneFile
from compositor.scene_file.schema import SceneTable, SimulatedTable
from guest.workloads.find import names_own
from virtio.regular import read_regular

_MOST_BYTES = 1 << 17
# The parser's time grows with the square of the names in a dotted key.
_MOST_DOTS = 32
_PROGRAMS = ("kernel", "command", "initrd", "root", "arguments")

# What msgspec says: "Expected `int`, got `str` - at `$.outputs[1].mode`"; the path is left out at the top.
_COMPLAINT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<key>.*)`)?", re.DOTALL)


def read_scene(path: Path, modes: Sequence[str] | None = None, *, allow_programs: bool = False) -> SceneFile:
    """The scene in a file, checked and ready to start.

    Args:
        path: The file.
        modes: The modes of its outputs, instead of the file's; see `with_modes`.
        allow_programs: Whether it may name programs, modules and files of this machine.

    Raises:
        BadInput: It cannot be read, is larger than 128 KiB, names a program without leave, is no TOML, or
            says something that cannot be; the message names the key.
    """
    try:
        text = read_regular(path, _MOST_BYTES).decode()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not a text: a scene is a TOML file in UTF-8") from None
    return parse_scene(text, str(path), modes, allow_programs=allow_programs)


def parse_scene(
    text: str, name: str, modes: Sequence[str] | None = None, *, allow_programs: bool = False
) -> SceneFile:
    """The scene in a text, checked and ready to start.

    Args:
        text: TOML.
        name: The file's name, for messages.
        modes: The same as for `read_scene`.
        allow_programs: The same as for `read_scene`.

    Raises:
        BadInput: The same as `read_scene`.
    """
    with at_key(name):
        table = parse_table(text)
        if not allow_programs:
            check_programs(table)
        return SceneFile(table, modes)


def parse_table(text: str) -> SceneTable:
    """The tables of a text, as far as their keys and types are concerned.

    Raises:
        BadInput: It is no TOML, or has a key that does not exist or is of another type.
    """
    document = _parse_toml(text)
    try:
        return msgspec.convert(document, SceneTable)
    except msgspec.ValidationError as error:
        complaint = _COMPLAINT.fullmatch(str(error))
        assert complaint is not None
        what = complaint["what"].replace("Object", "table").replace("object", "table").replace("`", "")
        raise BadInput(f"{complaint['key']}: {what}" if complaint["key"] else what) from None


def _parse_toml(text: str) -> dict[str, Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_DOTS:
            raise BadInput(f"line {number} has more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"no TOML: {error}") from None
    except RecursionError:
        raise BadInput("no TOML: its brackets are nested too deeply") from None
    except ValueError:
        raise BadInput("no TOML: it has a number with thousands of digits") from None


def check_programs(table: SceneTable) -> None:
    """Refuse a scene that names programs or files of this machine, other than those that ship.

    Raises:
        BadInput: It names one; the message names the key.
    """
    for index, guest in enumerate(table.guests):
        if isinstance(guest, SimulatedTable):
            named = ["workload"] if names_own(guest.workload) else ["arguments"] if guest.arguments else []
        else:
            named = [key for key in _PROGRAMS if getattr(guest, key, None)]
        for key in named:
            raise BadInput(
                f"guests[{index}].{key}: the scene would run or read what it names on this machine; "
                "if you trust it, add --allow-programs"
            )

"""The scenes that ship: a file each, beside this one, and one for every workload that fills its output."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from compositor.errors import BadInput
from compositor.scene_file.read import parse_table
from compositor.scene_file.scene import SceneFile
from compositor.scene_file.schema import SceneTable, SimulatedTable
from guest.workloads import WORKLOADS
from guest.workloads.find import names_file

_HERE = files(__name__)
_FILES = {
    resource.name.removesuffix(".toml"): resource
    for resource in sorted(_HERE.iterdir(), key=lambda resource: resource.name)
    if resource.name.endswith(".toml")
}
_FIRST = ("demo", "workloads")
SCENES = (*_FIRST, *WORKLOADS, *(name for name in _FILES if name not in _FIRST))
"""Names that `builtin` knows."""


def builtin(name: str, modes: Sequence[str] | None = None) -> SceneFile:
    """The scene of that name, ready to start.

    Args:
        name: One of `SCENES`.
        modes: The modes of its outputs, instead of its own; see `with_modes`.

    Raises:
        BadInput: There is none, or it does not go with these modes.
    """
    return SceneFile(_table(name), modes)


def workload_scene(workload: str, modes: Sequence[str] | None = None) -> SceneFile:
    """The scene of a workload of the user's own: `module:Class`, a PNG, or that of an installed package.

    Raises:
        BadInput: There is none, or it does not go with these modes.
    """
    return SceneFile(_scene_of(workload), modes)


def title(name: str) -> str:
    """What the scene of that name shows, in one line.

    Raises:
        BadInput: There is none.
    """
    return _table(name).title


def _table(name: str) -> SceneTable:
    if name in _FILES:
        return parse_table(_FILES[name].read_text())
    if name in WORKLOADS:
        return _scene_of(name)
    raise BadInput(f"there is no scene {name!r}; there are: {', '.join(SCENES)}")


def _scene_of(workload: str) -> SceneTable:
    shows = f"one guest that shows {workload} on the whole output"
    frames = 1 if names_file(workload) else None  # there will not be more
    return SceneTable(title=shows, frames=frames, guests=[SimulatedTable(workload=workload)])

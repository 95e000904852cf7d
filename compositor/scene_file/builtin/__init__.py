"""The scenes that ship: a file each, beside this one, and one for every workload that fills its output."""

from __future__ import annotations

from importlib.resources import files

from compositor.errors import BadInput
from compositor.scene_file.read import parse_scene
from compositor.scene_file.scene import SceneFile
from compositor.scene_file.schema import SceneTable, SimulatedTable
from guest.workloads import WORKLOADS

_HERE = files(__name__)
_FILES = {
    resource.name.removesuffix(".toml"): resource
    for resource in sorted(_HERE.iterdir(), key=lambda resource: resource.name)
    if resource.name.endswith(".toml")
}
_FIRST = ("demo", "workloads")
SCENES = (*_FIRST, *WORKLOADS, *(name for name in _FILES if name not in _FIRST))
"""Names that `builtin` knows."""


def builtin(name: str) -> SceneFile:
    """The scene of that name.

    Raises:
        BadInput: There is none.
    """
    if name in _FILES:
        return parse_scene(_FILES[name].read_text(), f"{name}.toml")
    if name in WORKLOADS:
        title = f"one guest that shows {name} on the whole output"
        return SceneFile(SceneTable(title=title, guests=[SimulatedTable(workload=name)]))
    raise BadInput(f"there is no scene {name!r}; there are: {', '.join(SCENES)}")

"""Workloads by name: those that ship, those of installed packages, and `module:Class` of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from guest.picture import Picture
from guest.workloads.drawing import Draw, Drawing
from guest.workloads.workload import Workload, check_workload
from virtio.errors import Misuse, ScanoutError, one_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "scanout.workloads"
"""Entry points of this group are workloads of installed packages."""

Shown: TypeAlias = "str | Path | Workload | type[Workload] | Picture | Draw"
"""What a simulated guest can be given to show."""

# Imported at first use: their compiled kernels need numba, which takes its time to import.
_REGISTRY = {
    "gears": "guest.workloads.gears:Gears",
    "plasma": "guest.workloads.plasma:Plasma",
    "terminal": "guest.workloads.terminal:Terminal",
    "video": "guest.workloads.video:Video",
    "drag": "guest.workloads.drag:Drag",
    "desktop": "guest.workloads.desktop:Desktop",
    "stress": "guest.workloads.stress:Stress",
}

WORKLOADS = tuple(_REGISTRY)
"""Names of those that ship."""


def create_workload(name: str, seed: int = 0, arguments: Mapping[str, Any] | None = None) -> Workload:
    """Make a workload by name.

    Args:
        name: Of one that ships, of an entry point `scanout.workloads`, or `module:Class`.
        seed: For a class that takes one.
        arguments: Further keyword arguments for the class.

    Raises:
        Misuse: There is no such workload, or it cannot be made.
    """
    found = find_workload(name, seed, arguments)
    if isinstance(found, Picture):
        raise Misuse(f"{name} is a picture, and no workload")
    return found


def find_workload(
    shown: Shown, seed: int = 0, arguments: Mapping[str, Any] | None = None
) -> Workload | Picture:
    """What a guest is to show, whichever way its author says it.

    Args:
        shown: As `create_workload`; the path of a PNG; a picture, a workload, or a function
            `draw(frame, canvas)`.
        seed: As `create_workload`.
        arguments: As `create_workload`; for a PNG those of `Picture`.

    Raises:
        Misuse: It is none of these, or cannot be made.
    """
    arguments = arguments or {}
    if names_file(shown):
        content = {"content": shown, "name": short_name(str(shown))}
        return _made(Picture, str(shown), seed, {**content, **arguments})
    if isinstance(shown, str):
        return _made(_named(shown), shown, seed, arguments)
    if isinstance(shown, Path):
        raise Misuse(f"{shown}: a picture's name ends in .png")
    return _made(shown, _described(shown), seed, arguments)


def names_file(shown: object) -> bool:
    """Whether it is the path of a picture."""
    return isinstance(shown, str | Path) and str(shown).lower().endswith(".png")


def names_own(name: str) -> bool:
    """Whether a name is that of a file or a module: what reads or runs something of the author's."""
    return ":" in name or names_file(name)


def short_name(name: str) -> str:
    """What a guest is called that shows this: the class's name, or the file's."""
    return Path(name).stem if names_file(name) else name.rpartition(":")[2].rpartition(".")[2]


def installed_workloads() -> dict[str, EntryPoint]:
    """Workloads of installed packages, by name; asked for when a list is wanted, or a name is unknown."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - it takes its time

    return {found.name: found for found in entry_points(group=GROUP) if found.name not in _REGISTRY}


def _named(name: str) -> Any:
    """The class, or whatever it is, of that name."""
    where = _REGISTRY.get(name, name)
    if ":" in where:
        return _imported(where)
    installed = installed_workloads()
    if name in installed:
        return _loaded(f"workload {name!r} of an installed package", installed[name].load)
    known = ", ".join((*WORKLOADS, *installed))
    raise Misuse(f"there is no workload {name!r}; there are {known}; one of your own is module:Class")


def _imported(where: str) -> Any:
    module, _, attribute = where.partition(":")
    what = f"workload {where}"
    if not module or not attribute:
        raise Misuse(f"{what}: give it as module:Class")
    found = _loaded(what, lambda: import_module(module))
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise Misuse(f"{what}: {module} has no {attribute!r}")
        found = getattr(found, part)
    return found


def _loaded(what: str, load: Callable[[], Any]) -> Any:
    """Run an author's code; whatever it raises is one line."""
    try:
        return load()
    except ScanoutError:
        raise
    except ModuleNotFoundError as error:
        raise Misuse(f"{what}: there is no module {error.name!r}; PYTHONPATH says where to look") from None
    except Exception as error:
        raise Misuse(f"{what}: {one_line(error)}") from error


def _made(found: Any, what: str, seed: int, arguments: Mapping[str, Any]) -> Workload | Picture:
    """A class is made; all else is taken as it is."""
    if isinstance(found, type):
        takes_seed = "seed" in inspect.signature(found).parameters
        keywords = {"seed": seed, **arguments} if takes_seed else arguments
        made = _loaded(what, lambda: found(**keywords))
    elif arguments:
        raise Misuse(f"{what} is no class, and takes no arguments")
    elif callable(found) and not hasattr(found, "draw"):
        made = Drawing(cast("Draw", found))
    else:
        made = found
    if isinstance(made, Picture):
        return made
    if isinstance(made, np.ndarray) or hasattr(made, "getbands"):
        raise Misuse(f"{what} is no workload; a picture to show is Picture(...)")
    check_workload(made, what)
    return cast("Workload", made)


def _described(shown: object) -> str:
    return getattr(shown, "__name__", None) or f"{type(shown).__name__} object"

"""Data flows one way: guest -> virtio -> compositor, up the compositor's rooms: imports are held to it."""

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("virtio", "guest", "compositor")

# The rooms of compositor/, floor by floor along a frame's way: a room may use those on lower floors alone.
FLOORS = (
    ("errors",),
    ("files",),
    ("pixels",),
    ("render", "compare"),
    ("output",),
    ("scene", "frame_clock", "screen", "observe"),
    ("adapter",),
    ("record",),
    ("machine",),
    ("scene_file", "bench"),
    ("testing",),
    ("commands",),
    ("cli", "pytest_plugin"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# From here on up, rooms may use the other packages; the adapter and recordings may use virtio.
COMPOSITION_ROOT = FLOOR["machine"]
KNOWS_VIRTIO = FLOOR["adapter"]

# What all packages share, and imports nothing of them: the errors are one family, to which
# `compositor.errors` adds its own; and all files that users name are opened in one way, which
# `compositor.files` passes on.
FAMILIES = {"compositor.errors": {"virtio.errors"}, "compositor.files": {"virtio.regular"}}

# The layers of virtio that a guest shares with the device.
SHARED = {
    "virtio.memory",
    "virtio.ring",
    "virtio.gpu.wire",
    "virtio.gpu.formats",
    "virtio.fence",
    "virtio.errors",
    "virtio.features",
    "virtio.status",
    "virtio.vhost_user",
    "virtio.inproc",
    "virtio.device",
    "virtio.clock",
    "virtio.aio",
    "virtio.closing",
    "virtio.regular",
    "virtio.arguments",
}
# What runs an event loop or owns one of its objects; everything else is sans-IO.
SHELLS = {
    "virtio.vhost_user.server",
    "virtio.vhost_user.frontend",
    "virtio.vhost_user.dialogue",
    "virtio.aio",
    "virtio.fence.aio",
    "virtio.clock",
    "compositor.screen.window",
    "guest.linux.uml",
    "guest.linux.qemu",
    "guest.linux.process",
    "guest.process.reactor",
}
CLOCKS = {"time", "datetime"}

Graph = dict[str, set[str]]


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> set[str]:
    """Every module that `path` imports, function-level imports included, type-checking ones too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; this project writes modules in full"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = dict(modules())
IMPORTS = {name: imports(path) for name, path in MODULES.items()}


def under(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def room(name: str) -> str | None:
    """The room of a module of compositor/; None for `compositor` itself and other packages."""
    package, *rest = name.split(".")
    return rest[0] if package == "compositor" and rest and not rest[0].startswith("__") else None


def floor(name: str) -> int | None:
    inside = room(name)
    return None if inside is None else FLOOR.get(inside)


def is_root(name: str) -> bool:
    """Whether a module belongs to the composition root, which may import everything."""
    return name == "compositor" or (floor(name) or 0) >= COMPOSITION_ROOT


def offenders(forbidden: Callable[[str, set[str]], set[str]]) -> dict[str, set[str]]:
    """Modules with what they import against a rule."""
    found = {name: forbidden(name, used) for name, used in IMPORTS.items()}
    return {name: bad for name, bad in found.items() if bad}


def wrong_way(name: str, used: set[str]) -> set[str]:
    package = name.split(".", maxsplit=1)[0]
    if package == "virtio":
        return {i for i in used if under(i, {"guest", "compositor"})}
    if package == "guest":
        return {
            i for i in used if under(i, {"compositor"}) or (under(i, {"virtio"}) and not under(i, SHARED))
        }
    if is_root(name):
        return set()
    if name in FAMILIES:
        used = {i for i in used if not under(i, FAMILIES[name])}
    others = {"guest"} if (floor(name) or 0) >= KNOWS_VIRTIO else {"guest", "virtio"}
    return {i for i in used if under(i, others)}


def upwards(name: str, used: set[str]) -> set[str]:
    """Imports of rooms that lie on the same floor or above."""
    own = floor(name)
    if own is None:
        return set()
    return {
        i
        for i in used
        if room(i) not in {None, room(name)} and (above := floor(i)) is not None and above >= own
    }


def between_rooms(uses: dict[str, set[str]]) -> Graph:
    """Which folders of the three packages use which others; a loose module counts as a folder."""
    graph: Graph = defaultdict(set)
    for name, used in uses.items():
        here = ".".join(name.split(".")[:2])
        there = {".".join(i.split(".")[:2]) for i in used if under(i, set(PACKAGES)) and i.count(".")}
        graph[here] |= {folder for folder in there if folder != here and folder.count(".")}
    return graph


def circle(graph: Graph) -> list[str]:
    """A way from a folder back to itself; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_room_of_the_compositor_has_a_floor() -> None:
    assert {room(name) for name in MODULES} - {None} == set(FLOOR)
    assert {name.split(".", maxsplit=1)[0] for name in MODULES} == set(PACKAGES)


def test_imports_point_the_right_way_between_packages() -> None:
    assert offenders(wrong_way) == {}


def test_rooms_use_rooms_on_lower_floors_alone() -> None:
    assert offenders(upwards) == {}


def test_no_folder_uses_itself_by_way_of_others() -> None:
    assert circle(between_rooms(IMPORTS)) == []


@pytest.mark.parametrize(
    ("rule", "name", "planted"),
    [
        (wrong_way, "virtio.ring.split", "compositor.errors.Misuse"),
        (wrong_way, "guest.flips", "virtio.gpu.device.GpuDevice"),
        (wrong_way, "compositor.scene.tree", "virtio.fence.Fence"),
        (wrong_way, "compositor.adapter.head", "guest.simulated.SimulatedGuest"),
        (upwards, "compositor.scene.surface", "compositor.machine.presenter.Presenter"),
        (upwards, "compositor.scene.surface", "compositor.screen.headless.Screen"),
        (upwards, "compositor.pixels.region", "compositor.render.cpu.compose"),
    ],
)
def test_an_import_against_a_rule_is_found(
    rule: Callable[[str, set[str]], set[str]], name: str, planted: str
) -> None:
    assert rule(name, {*IMPORTS[name], planted}) == {planted}


def test_a_circle_is_found() -> None:
    assert circle({"guest.a": {"guest.b"}, "guest.b": {"guest.a"}})


def test_only_shells_import_asyncio() -> None:
    def rule(name: str, used: set[str]) -> set[str]:
        shell = is_root(name) or under(name, SHELLS)
        return set() if shell else {i for i in used if under(i, {"asyncio", "selectors"})}

    assert offenders(rule) == {}


def test_no_core_reads_a_clock() -> None:
    def rule(name: str, used: set[str]) -> set[str]:
        shell = is_root(name) or under(name, SHELLS) or name.startswith("guest.linux")
        return set() if shell else {i for i in used if under(i, CLOCKS)}

    assert offenders(rule) == {}


def test_pyglet_is_imported_in_two_rooms_only() -> None:
    def rule(name: str, used: set[str]) -> set[str]:
        own = under(name, {"compositor.screen.window", "compositor.render.gl"})
        return set() if own else {i for i in used if under(i, {"pyglet"})}

    assert offenders(rule) == {}


def test_nothing_imports_tests_or_assets() -> None:
    assert offenders(lambda _, used: {i for i in used if under(i, {"tests", "assets"})}) == {}

"""Data flows one way: guest -> virtio -> compositor. The imports are held to it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("virtio", "guest", "compositor")

# The composition root may import everything.
COMPOSITION_ROOT = {"machine", "cli", "testing", "pytest_plugin", "bench", "doctor", "commands"}
# The adapter between the device and the scene.
ADAPTERS = {"compositor.scanout"}
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
}
# Modules that run an event loop or own one of its objects; everything else is sans-IO.
SHELLS = {
    "virtio.vhost_user.server",
    "virtio.vhost_user.frontend",
    "virtio.aio",
    "virtio.clock",
    "compositor.machine",
    "compositor.screen.window",
    "guest.linux.uml",
    "guest.linux.qemu",
    "guest.linux.process",
}
CLOCKS = {"time", "datetime"}


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


def under(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


MODULES = dict(modules())


def is_root(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "compositor" and (len(parts) == 1 or parts[1] in COMPOSITION_ROOT)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_the_right_way(name: str) -> None:
    used = imports(MODULES[name])
    package = name.split(".", maxsplit=1)[0]
    if package == "virtio":
        assert not {i for i in used if under(i, {"guest", "compositor"})}
    elif package == "guest":
        assert not {i for i in used if under(i, {"compositor"})}
        assert not {i for i in used if under(i, {"virtio"}) and not under(i, SHARED)}
    elif not is_root(name):
        forbidden = {"guest"} if name in ADAPTERS else {"guest", "virtio"}
        assert not {i for i in used if under(i, forbidden)}


@pytest.mark.parametrize("name", MODULES)
def test_only_shells_import_asyncio(name: str) -> None:
    if not (is_root(name) or under(name, SHELLS)):
        assert not {i for i in imports(MODULES[name]) if under(i, {"asyncio", "selectors"})}


@pytest.mark.parametrize("name", MODULES)
def test_no_core_reads_a_clock(name: str) -> None:
    if not (is_root(name) or under(name, SHELLS) or name.startswith("guest.linux")):
        assert not {i for i in imports(MODULES[name]) if under(i, CLOCKS)}


@pytest.mark.parametrize("name", MODULES)
def test_pyglet_is_imported_in_two_rooms_only(name: str) -> None:
    if not under(name, {"compositor.screen.window", "compositor.render.gl"}):
        assert not {i for i in imports(MODULES[name]) if under(i, {"pyglet"})}


@pytest.mark.parametrize("name", MODULES)
def test_nothing_imports_tests_or_assets(name: str) -> None:
    assert not {i for i in imports(MODULES[name]) if under(i, {"tests", "assets"})}

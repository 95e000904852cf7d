"""Data flows one way: guest -> virtio -> compositor. The imports are held to it."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("virtio", "guest", "compositor")

# The composition root may import everything.
COMPOSITION_ROOT = {
    "machine", "run", "cli", "testing", "pytest_plugin", "bench", "commands", "attachment", "record",
    "scene_file",
}  # fmt: skip
# The errors are one family: `compositor.errors` adds its own to virtio's, which import nothing.
ERRORS = {"virtio.errors"}
# The adapter between the device and the scene.
ADAPTERS = {"compositor.adapter"}
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
}
# Modules that run an event loop or own one of its objects; everything else is sans-IO.
SHELLS = {
    "virtio.vhost_user.server",
    "virtio.vhost_user.frontend",
    "virtio.vhost_user.dialogue",
    "virtio.aio",
    "virtio.fence.aio",
    "virtio.clock",
    "compositor.machine",
    "compositor.screen.window",
    "guest.linux.uml",
    "guest.linux.qemu",
    "guest.linux.process",
    "guest.process.reactor",
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


def offenders(forbidden: Callable[[str, set[str]], set[str]]) -> dict[str, set[str]]:
    """Modules with what they import against a rule."""
    found = {name: forbidden(name, imports(path)) for name, path in MODULES.items()}
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
    if name == "compositor.errors":
        used = {i for i in used if not under(i, ERRORS)}
    return {i for i in used if under(i, {"guest"} if under(name, ADAPTERS) else {"guest", "virtio"})}


def test_the_three_packages_are_looked_at() -> None:
    assert {name.split(".", maxsplit=1)[0] for name in MODULES} == set(PACKAGES)


def test_imports_point_the_right_way() -> None:
    assert offenders(wrong_way) == {}


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
        room = under(name, {"compositor.screen.window", "compositor.render.gl"})
        return set() if room else {i for i in used if under(i, {"pyglet"})}

    assert offenders(rule) == {}


def test_nothing_imports_tests_or_assets() -> None:
    assert offenders(lambda _, used: {i for i in used if under(i, {"tests", "assets"})}) == {}

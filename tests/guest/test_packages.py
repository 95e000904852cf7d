"""The guest's packages, and its modules beside them, import each other without a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def room(parts: tuple[str, ...]) -> str:
    """The package that a module of the guest lies in; itself, if that is `guest`."""
    return ".".join(parts[:2])


def imported(path: Path) -> set[str]:
    """The rooms that a file imports when it is loaded."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            modules = (
                [f"guest.{alias.name}" for alias in node.names] if node.module == "guest" else [node.module]
            )
            found |= {room(tuple(module.split("."))) for module in modules if module.startswith("guest.")}
    return found


def test_no_room_is_imported_by_one_that_it_imports() -> None:
    graph: dict[str, set[str]] = {}
    for path in sorted((ROOT / "guest").rglob("*.py")):
        name = room(path.relative_to(ROOT).with_suffix("").parts)
        graph.setdefault(name, set()).update(imported(path) - {name})
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, with the circle
    assert order.index("guest.memory") < order.index("guest.gpu") < order.index("guest.driver")

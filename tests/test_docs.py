"""What the documents say is held to the code: names, links, commands, keys, and the drawing of the rooms."""

import ast
import importlib.util
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from compositor import Machine
from compositor.cli import app
from guest import SimulatedGuest
from guest.gpu import Gpu
from virtio.fence.state import TRANSITIONS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKAGES = ("virtio", "guest", "compositor")
DOCUMENTS = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")]
DOCUMENTS += sorted(DOCS.rglob("*.md"))


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generated", DOCS / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = generator()


class Code:
    """Every name that the project's source has, without importing it."""

    def __init__(self) -> None:
        self.modules: dict[str, set[str]] = {}  # with the names that each binds
        self.members: defaultdict[str, set[str]] = defaultdict(set)  # of classes, those of their bases too
        self.functions: set[str] = set()
        bases: defaultdict[str, set[str]] = defaultdict(set)
        for package in PACKAGES:
            for path in (ROOT / package).rglob("*.py"):
                parts = path.relative_to(ROOT).with_suffix("").parts
                tree = ast.parse(path.read_text())
                self.modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = bound(tree)
                self._look(tree, bases)
        for _ in range(4):  # as deep as classes inherit here
            for name, parents in bases.items():
                for parent in parents:
                    self.members[name] |= self.members[parent]

    def _look(self, tree: ast.Module, bases: defaultdict[str, set[str]]) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                inside = list(ast.walk(node))
                self.members[node.name] |= bound(node) | {
                    n.attr for n in inside if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
                }
                bases[node.name] |= {base.id for base in node.bases if isinstance(base, ast.Name)}
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions.add(node.name)

    def has(self, dotted: str) -> bool:
        """Whether there is such a module, a name in a module, or a member of a class there."""
        if dotted in self.modules:
            return True
        module, _, name = dotted.rpartition(".")
        if module in self.modules:
            return name in self.modules[module]
        module, _, owner = module.rpartition(".")
        return module in self.modules and owner in self.modules[module] and name in self.members[owner]

    def has_member(self, owner: str, names: list[str]) -> bool:
        return owner in self.members and (not names or names[0] in self.members[owner])


def bound(scope: ast.Module | ast.ClassDef) -> set[str]:
    """What a module or a class binds by itself, conditions included, functions' insides not."""
    names: set[str] = set()
    stack: list[ast.AST] = list(scope.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        stack += ast.iter_child_nodes(node)
    return names


CODE = Code()
COMMANDS = dict(GENERATED.commands())
GROUPS = {" ".join(name.split()[:depth]) for name in COMMANDS for depth in (1, 2)}
OPTIONS = {option for command in COMMANDS.values() for p in command.params for option in p.opts}
OPTIONS |= {option for command in COMMANDS.values() for p in command.params for option in p.secondary_opts}
OPTIONS |= {"--help", "--debug", "--version"}
OPTIONS |= set(re.findall(r'"(--[a-z-]+)"', (ROOT / "compositor/pytest_plugin.py").read_text()))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SOURCES = "\n".join(
    path.read_text()
    for path in (ROOT / "Makefile", *(ROOT / ".ci").iterdir(), *(ROOT / "guest").rglob("*.py"))
)


def unknown(text: str) -> list[str]:
    """What a document mentions and the project does not have."""
    fences = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    (\S.*)$", prose, re.MULTILINE)
    lines = [line for kind, code in fences if kind in ("", "sh") for line in code.splitlines()] + indented
    spans = re.findall(r"`([^`]+)`", re.sub(r"^    \S.*$", "", prose, flags=re.MULTILINE))
    found = [name for span in spans for name in unknown_span(" ".join(span.split()))]
    found += [name for line in lines for name in unknown_line(line)]
    found += [name for kind, code in fences if kind == "python" for name in unknown_imports(code)]
    return found + [name for name in re.findall(r"SCANOUT_[A-Z_]+", text) if name not in SOURCES]


def unknown_span(span: str) -> list[str]:
    name = span.partition("(")[0]
    owner, *members = name.split(".")
    if (ROOT / span).exists():
        known = True
    elif re.fullmatch(r"(?:compositor|virtio|guest|tests|docs|assets|\.ci)/[\w./-]*", span):
        known = False
    elif re.fullmatch(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+", name):
        known = CODE.has(name)
    elif re.fullmatch(r"[A-Z]\w*", owner) and re.search(r"[a-z]", owner) and " " not in name:
        known = CODE.has_member(owner, members)
    elif re.fullmatch(r"\w+(?:\.\w+)*\(.*\)", span):
        known = name.rpartition(".")[2] in CODE.functions | set(CODE.members)
    elif option := re.match(r"--[a-z][a-z-]*", span):
        known = option[0] in OPTIONS
    else:
        return unknown_line(span)
    return [] if known else [span]


def unknown_line(line: str) -> list[str]:
    """Commands, options and targets in a line of shell."""
    found = [f"make {name}" for name in re.findall(r"\bmake ([a-z-]+)", line) if name not in TARGETS]
    shell = line.partition(" -- ")[0]
    for call in re.findall(r"(?:^|[\s(])(?:\.venv/bin/)?(scanout(?: [^&)]+)?)", shell):
        words = call.split("#")[0].split()
        while len(words) > 1 and (" ".join(words) not in COMMANDS):
            words.pop()
        command = COMMANDS.get(" ".join(words))
        options = re.findall(r"(?<= )--[a-z][a-z-]*", call)
        if command is None:
            placeholder = re.match(r"scanout(?: [A-Z-]|$)", call)
            found += [] if placeholder or call in GROUPS else [call]
        else:
            own = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
            found += [o for o in options if o not in own | {"--debug", "--help"}]
    return found


def unknown_imports(code: str) -> list[str]:
    tree = compile(code, "document", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(tree, ast.Module)
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PACKAGES
        for alias in node.names
        if not CODE.has(f"{node.module}.{alias.name}")
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_in_the_documents_exists(path: Path) -> None:
    assert unknown(path.read_text()) == []


def named_tests(text: str) -> list[tuple[str, str]]:
    """The tests that a document names: file and function."""
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)


def has_test(path: str, name: str) -> bool:
    file = ROOT / path
    return (
        file.exists() and re.search(rf"^(?:async )?def {name}\(", file.read_text(), re.MULTILINE) is not None
    )


def test_each_promise_names_a_test_that_exists() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    promises = text[text.index("| promise | shown by |") :]
    rows = re.findall(r"^\| (?!promise|---)(.*) \|$", promises, re.MULTILINE)
    assert len(rows) > 20
    assert [row for row in rows if not named_tests(row)] == []
    assert [test for test in named_tests(text) if not has_test(*test)] == []


def test_a_test_that_does_not_exist_is_found() -> None:
    assert named_tests("`tests/none.py::test_x`") == [("tests/none.py", "test_x")]
    assert not has_test("tests/none.py", "test_x")
    assert not has_test("tests/test_docs.py", "test_nonesuch")


MADE_UP = """
`compositor/nowhere.py`, `compositor.output.nothing`, `compositor.Machine.nothing`, `Nonesuch`,
`Output.nonesuch`, `nonesuch()`, `machine.nonesuch(output=1)`, `scanout nonesuch`, `scanout run demo
--nonesuch`, `--nonesuch`, `make nonesuch`, `SCANOUT_NONESUCH`; but `compositor/output`, `Output.commit`,
`machine.stats()`, `scanout run demo --seconds 5`, `make test`, `--clock real`, `Output("640x480@60")` exist.

    scanout rootfs nonesuch
    make nonesuch-either    # as above

```python
from compositor import Machine, Nonesuch
```
"""


def test_a_made_up_name_is_found() -> None:
    assert unknown(MADE_UP) == [
        "compositor/nowhere.py",
        "compositor.output.nothing",
        "compositor.Machine.nothing",
        "Nonesuch",
        "Output.nonesuch",
        "nonesuch()",
        "machine.nonesuch(output=1)",
        "scanout nonesuch",
        "--nonesuch",
        "--nonesuch",
        "make nonesuch",
        "scanout rootfs nonesuch",
        "make nonesuch-either",
        "compositor.Nonesuch",
        "SCANOUT_NONESUCH",
    ]


# Links.


def links(path: Path) -> list[str]:
    """Targets of links and pictures, without their anchors; a link within its page is left out."""
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    return [str(target) for target in targets]


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_link_leads_to_a_file_of_the_project(path: Path) -> None:
    assert [link for link in links(path) if not (path.parent / link).exists()] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = re.findall(r"^([\w/-]+)$", (DOCS / "index.md").read_text(), re.MULTILINE)
    pages = [str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")]
    assert sorted([*listed, "index"]) == sorted(pages)


def test_readme_and_architecture_are_read_in_one_sitting() -> None:
    for name in ("README.md", "ARCHITECTURE.md"):
        assert len((ROOT / name).read_text().splitlines()) <= 150


# What is said twice, here and in the code.


def test_the_readme_lists_every_command() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    for name in command.commands:
        assert f"`scanout {name}" in (ROOT / "README.md").read_text()


def test_the_reference_is_generated_in_full() -> None:
    for page in (DOCS / "reference").glob("*.md"):
        assert "<!-- generated" not in GENERATED.fill(page.read_text())
    for name in COMMANDS:
        assert f"## `{name}`\n" in GENERATED.command_line()


def test_every_key_of_a_scene_file_says_what_it_means() -> None:
    silent = [
        f"{kind.__name__}.{key}"
        for kind in GENERATED.tables()
        for key in kind.__struct_fields__
        if key not in GENERATED.attributes(kind)
    ]
    assert silent == []


def test_the_fences_states_are_those_of_their_table() -> None:
    rows = [
        f"| {state.name.lower()} | {event} | {target.name.lower()} |"
        for state, row in TRANSITIONS.items()
        for event, target in row.items()
    ]
    table = "\n".join(["| state | event | state after |", "|---|---|---|", *rows])
    assert f"\n{table}\n\n" in (DOCS / "explanation/fences.md").read_text()


OPEN_ENDED = ("guests[].commands", "guests[].errors", "guests[].gpu")


def keys(value: object, path: str = "") -> Iterator[str]:
    """Every key of a document, with its way there: "outputs[].planes[].why"."""
    if isinstance(value, list):
        yield f"{path}[]"
        for item in value:
            yield from keys(item, f"{path}[]")
    elif isinstance(value, dict) and path not in OPEN_ENDED:
        if path and not path.endswith("[]"):
            yield path
        for key, below in value.items():
            yield from keys(below, f"{path}.{key}" if path else str(key))
    else:
        yield path


async def test_the_reference_has_every_key_of_the_statistics_and_no_other() -> None:
    async with Machine() as machine:
        await machine.attach(SimulatedGuest("gears", gpu=Gpu("native")))
        await machine.run(frames=3)
        found = set(keys(machine.stats()))
    page = (DOCS / "reference/statistics.md").read_text()
    rows = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    words = set(re.findall(r"`(\w+)`", page))
    assert sorted(rows - found) == []
    assert sorted(key for key in found - rows if key.rpartition(".")[2] not in words) == []


# Sentences have a subject that exists: a device, a guest, a caller, not a person without a name.

NAMELESS = re.compile(
    r"(?<![A-Za-z])(?:(?:[Ss]ome|[Aa]ny|[Ee]very)(?:body|one)|[Nn]o(?:body|\s+one)|[Ww]ho(?:m|ever))(?![A-Za-z])"
)
TEXT = {".py", ".md", ".c", ".ll", ".toml"}  # a root's overlay is not: another word there is another root


def written() -> Iterator[Path]:
    """Every document, and every source file of the packages and of their tests."""
    yield from [*DOCUMENTS, ROOT / "CHANGELOG.md"]
    for folder in (*PACKAGES, "tests"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in TEXT)


def test_sentences_and_names_have_a_subject_that_exists() -> None:
    found = {str(path.relative_to(ROOT)): NAMELESS.findall(path.read_text()) for path in written()}
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.parametrize("word", ["some body", "Any one", "every body", "no body", "who ever", "Who m"])
def test_a_subject_that_does_not_exist_is_found(word: str) -> None:
    word = word.replace(" ", "")
    assert NAMELESS.findall(f"# {word} waits") == [word]
    assert NAMELESS.findall(f"def test_that_{word}_waits() -> None:") == [word]
    assert not NAMELESS.findall("wire.NoBody() is not one of these, and neither is everything")


# The drawing of the rooms.


def floors() -> dict[str, int]:
    """The rooms of ARCHITECTURE.md's drawing, with the floor that each lies on."""
    drawing = re.findall(r"^ ?(\d+) │ ([a-z_ ]+)│", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    return {room: int(floor) for floor, rooms in drawing for room in rooms.split()}


def imported(path: Path) -> set[str]:
    """The rooms that a module imports, this package's own alone."""
    names = {n.module for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)}
    return {str(name).split(".")[1] for name in names if str(name).startswith("compositor.")}


def test_the_drawing_has_every_room_of_the_compositor() -> None:
    rooms = {path.parent.name for path in (ROOT / "compositor").glob("*/__init__.py")}
    assert set(floors()) == rooms
    table = re.findall(r"^\| `compositor/(\w+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted(rooms)


def test_no_import_goes_up_in_the_drawing() -> None:
    floor = floors()
    wrong = {
        f"{path.relative_to(ROOT)} -> {other}"
        for room in floor
        for path in (ROOT / "compositor" / room).rglob("*.py")
        for other in imported(path) & set(floor)
        if other != room and floor[other] >= floor[room]
    }
    assert wrong == set()

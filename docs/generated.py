"""What is read off the code and off files: the command line, the keys of scene files, conformance runs.

A page says where with a comment on a line of its own, `<!-- generated: command line -->`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import typer

from compositor.cli import app
from compositor.commands.options import RunOptions
from compositor.scene_file import schema
from virtio.limits import TABLE

RUN_OPTIONS = {field.name for field in fields(RunOptions)}
_MARKER = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)


def fill(text: str) -> str:
    """A page with its generated parts.

    Raises:
        KeyError: A marker names a part that does not exist.
    """
    return _MARKER.sub(lambda marker: PARTS[marker[1]](), text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table's lines; none without rows."""
    lines = [head, ["---"] * len(head), *rows] if rows else []
    return ["", *("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines), ""]


# The command line.


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its whole name, in the program's order."""
    yield from _under("scanout", typer.main.get_command(app))


def _under(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
    else:
        for child, below in children.items():
            yield from _under(f"{name} {child}", below)


def command_line() -> str:
    """A section for each command; what all running commands take stands at the end, once."""
    lines: list[str] = []
    shared: list[tuple[str, str]] = []
    for name, command in commands():
        context = typer.Context(command, info_name=name)
        runs_something = {parameter.name for parameter in command.params} >= RUN_OPTIONS
        own: list[tuple[str, str]] = []
        runs: list[tuple[str, str]] = []
        for parameter in command.params:
            names, said = parameter.get_help_record(context)
            one_of_all = runs_something and parameter.name in RUN_OPTIONS
            (runs if one_of_all else own).append((f"`{names}`", said))
        shared = runs or shared
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        lines += [f"## `{name}`", "", str(command.help), "", "```text", usage, "```"]
        lines += table(("argument or option", "means"), own)
        if runs:
            lines += ["It takes [the options of every run](#options-of-every-run), too.", ""]
    return "\n".join([*lines, "## Options of every run", *table(("option", "means"), shared)])


# Scene files.


def scene_file() -> str:
    """A section for each table of a scene file, from the whole to its parts."""
    lines: list[str] = []
    for kind in tables():
        title, what = _head(kind)
        said = attributes(kind)
        hints = get_type_hints(kind)
        rows = [
            (f"`{field.name}`", _type(hints[field.name]), _default(field), said.get(field.name, ""))
            for field in msgspec.structs.fields(kind)
        ]
        lines += [f"## {title}", "", what, *table(("key", "is", "default", "means"), rows)]
    return "\n".join(lines)


def tables() -> Iterator[type[msgspec.Struct]]:
    """The tables that a file can have: those that the schema's last type leads to."""
    found: dict[type[msgspec.Struct], None] = {schema.SceneTable: None}
    while found:
        kind = next(iter(found))
        del found[kind]
        yield kind
        for hint in get_type_hints(kind).values():
            found |= dict.fromkeys(_structs(hint))


def _structs(hint: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for below in get_args(hint):
        yield from _structs(below)


def _head(kind: type) -> tuple[str, str]:
    """A table's title, which its docstring begins with, and the sentences that follow."""
    text = " ".join((kind.__doc__ or "").partition("Attributes:\n")[0].split())
    said = re.match(r"(`[^`]+`)[:;] (.+)", text)
    return (said[1], said[2][:1].upper() + said[2][1:]) if said else (text.rstrip("."), "")


def attributes(kind: type) -> dict[str, str]:
    """What the docstrings of a type and of its bases say of its keys; an event moves what a place has."""
    said: dict[str, str] = {}
    like = (schema.PlaceTable,) if kind is schema.Move else ()
    for base in (*like, *reversed(kind.__mro__)):
        text = (base.__doc__ or "").partition("Attributes:\n")[2]
        for key, value in re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", text, re.MULTILINE):
            said[key] = " ".join(value.split())
    return said


def _type(hint: Any) -> str:
    """A type in the words of TOML."""
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: ""}
    arguments = get_args(hint)
    origin = get_origin(hint)
    if hint in names:
        return names[hint]
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    if origin in (Union, UnionType):
        kinds = dict.fromkeys(_type(one) for one in arguments if one is not NoneType)
        return "number" if set(kinds) == {"whole number", "number"} else " or ".join(kinds)
    if origin is list:
        below = _type(arguments[0])
        return "tables" if "table" in below else f"list of {below}s"
    return f"list of {len(arguments)} {_type(arguments[0])}s" if origin is tuple else "table"


def _default(field: Any) -> str:
    if field.required:
        return "must be given"
    value = field.default
    if value in (None, "", msgspec.NODEFAULT) or isinstance(value, msgspec.Struct):
        return ""
    return f"`{json.dumps(value)}`"


# What `scanout conform --json` said of several devices.

RUNS = Path(__file__).with_name("conformance")
_DEVICES = {
    "scanout": "scanout",
    "qemu-7.2": "QEMU 7.2.22",
    "qemu-10.0": "QEMU 10.0.2",
    "qemu-11.1": "QEMU 11.1.3",
}


def conformance_runs() -> dict[str, dict[str, Any]]:
    """The documents by the name of their device."""
    return {title: json.loads((RUNS / f"{name}.json").read_text()) for name, title in _DEVICES.items()}


def conformance_totals() -> str:
    """A row for each device: outcomes by level."""
    rows = [
        [title, *(str(run["totals"][level][outcome]) for level, outcome in _columns())]
        for title, run in conformance_runs().items()
    ]
    return "\n".join(table(["device", *(f"{level}: {outcome}" for level, outcome in _columns())], rows))


def _columns() -> Iterator[tuple[str, str]]:
    for level in ("must", "should"):
        for outcome in ("pass", "fail", "skip"):
            yield level, outcome


def conformance_differences() -> str:
    """A row for each check that some device fails, or that devices end differently."""
    runs = conformance_runs()
    found = {title: {check["name"]: check for check in run["checks"]} for title, run in runs.items()}
    rows = []
    for name, check in next(iter(found.values())).items():
        outcomes = [checks[name]["outcome"] for checks in found.values()]
        if "fail" in outcomes:
            said = ["**fail**" if outcome == "fail" else outcome for outcome in outcomes]
            rows.append([f"`{name}`", f"{check['level']}; {check['section']}", *said])
    return "\n".join(table(["check", "where", *found], rows))


def conformance_evidence() -> str:
    """What the newest of QEMU's back ends did where it fails."""
    newest = list(conformance_runs().values())[-1]
    failed = [check for check in newest["checks"] if check["outcome"] == "fail"]
    rows = [[f"`{check['name']}`", check["requirement"], _evidence(check["reason"])] for check in failed]
    return "\n".join(table(("check", "asks for", "found"), rows))


def _evidence(reason: str) -> str:
    """Without the number of a process, and the time of day, that a device prints of itself."""
    return re.sub(r"\*\* \(vhost-user-gpu:\d+\): CRITICAL \*\*: [\d:.]+: ", "", reason)


# Limits.


def limits() -> str:
    """A row for each limit."""
    rows = [(f"`{row.name}`", f"{row.default:,}", row.unit, row.meaning, row.beyond) for row in TABLE]
    return "\n".join(table(("limit", "default", "unit", "of what", "beyond it"), rows))


PARTS: Mapping[str, Callable[[], str]] = {
    "command line": command_line,
    "scene file": scene_file,
    "conformance totals": conformance_totals,
    "conformance differences": conformance_differences,
    "conformance evidence": conformance_evidence,
    "limits": limits,
}

"""The options that every running command takes: declared once, checked before anything starts."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from compositor.commands.limits import LIST, list_limits
from compositor.commands.output_options import OutputOptions
from compositor.errors import BadInput, Misuse
from virtio.limits import Limits, Totals, changed_all, normal

ClockKind = Literal["virtual", "real"]


class Interrupted(Exception):
    """SIGINT or SIGTERM ended the run; its results have been written. Exit status 130."""


def _listed_first(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """List the limits before an argument can be missing, when both options that say how have been read."""
    said = context.meta.setdefault("scanout.limits", {})
    said[parameter.name] = value
    if LIST in (said.get("limit") or ()) and "json" in said:
        list_limits(as_json=said["json"])
        raise typer.Exit
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(OutputOptions):
    """On which outputs, how long to run, on which clock, and what to write at the end."""

    clock: Annotated[
        ClockKind | None,
        typer.Option(help="virtual: deterministic, as fast as it goes. Default: what suits the guests."),
    ] = None
    seconds: Annotated[float | None, typer.Option(help="Stop after S seconds on the run's clock.")] = None
    frames: Annotated[int | None, typer.Option(help="Stop after N frames of the first output.")] = None
    window: Annotated[
        bool | None, typer.Option("--window/--headless", help="Show the outputs in windows.")
    ] = None
    screenshot: Annotated[
        Path | None, typer.Option(metavar="F.png", help="Write the first output's last frame.")
    ] = None
    screenshot_at: Annotated[
        int | None, typer.Option(metavar="N", help="Write presented frame N, from 1, instead of the last.")
    ] = None
    stats: Annotated[
        Path | None, typer.Option(metavar="F.json", help="Write the statistics, also when interrupted.")
    ] = None
    record: Annotated[
        Path | None, typer.Option(metavar="F", help="Record commands and pixels, for scanout replay.")
    ] = None
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0
    sync: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="What a flush waits for: none, blocking, release; simulated guests: out-fence, queue.",
        ),
    ] = None
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What guests may use of this process; list: which limits there are.",
            is_eager=True,
            callback=_listed_first,
        ),
    ] = None
    json: Annotated[
        bool,
        typer.Option("--json", help="With --limit list: as JSON.", is_eager=True, callback=_listed_first),
    ] = False
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Give up after S seconds of real time.")
    ] = None
    patience: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Virtual time: a guest silent for S real seconds is hung; by default 30."
        ),
    ] = None

    @property
    def limits(self) -> dict[str, int | str]:
        """The limits that `--limit` names; the last word on each counts.

        Raises:
            BadInput: One is no NAME=VALUE.
        """
        found: dict[str, int | str] = {}
        for text in self.limit or ():
            name, sign, value = text.partition("=")
            if not sign:
                raise BadInput(f"--limit {text}: give it as NAME=VALUE; --limit list says which there are")
            found[name] = value
        return normal(found)

    def check(self) -> None:
        """Refuse what cannot work before it costs the user any time.

        Raises:
            BadInput: An option that makes no sense; the message names it.
        """
        for option, value in (
            ("--seconds", self.seconds),
            ("--frames", self.frames),
            ("--timeout", self.timeout),
            ("--patience", self.patience),
            ("--screenshot-at", self.screenshot_at),
        ):
            if value is not None and value <= 0:
                raise BadInput(f"{option} {value:g}: must be above 0")
        if self.screenshot_at is not None and self.screenshot is None:
            raise BadInput("--screenshot-at needs --screenshot F.png, the file to write")
        if self.window and self.clock == "virtual":
            raise BadInput("--window with --clock virtual: a window lives in real time; use --headless")
        if self.window and self.overlays:
            raise BadInput("--overlays with --window: a window shows one picture and has no planes")
        self.check_outputs()
        try:
            changed_all(Limits(), Totals(), self.limits)
        except Misuse as error:
            raise BadInput(f"--limit: {str(error).removeprefix('limit ')}") from None
        for option, path in (
            ("--screenshot", self.screenshot),
            ("--stats", self.stats),
            ("--record", self.record),
        ):
            if path is not None:
                check_writable(option, path)


def check_writable(option: str, path: Path) -> None:
    """Find out before a long run, not after it, that its result has nowhere to go.

    Raises:
        BadInput: `path` is a directory, or its directory is missing or not writable.
    """
    if path.is_dir():
        raise BadInput(f"{option} {path}: is a directory; name a file")
    if not path.parent.is_dir():
        raise BadInput(f"{option} {path}: there is no directory {path.parent}; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadInput(f"{option} {path}: not writable")


def find_modules_here() -> None:
    """Let a user's `module:Class` lie in the working directory, as for `python -m`."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def running(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command function an option for every field of its parameters that are options' dataclasses.

    typer reads options from a function's signature; this one is spliced together, so that commands have
    the same options, declared in one place. A command's own parameters come first, and each dataclass has a
    method `check`, which is called before the command.
    """
    hints = get_type_hints(command, include_extras=True)
    kinds = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    shared = {name: _fields(kind) for name, kind in kinds.items()}
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name not in kinds
    ]

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        for name, fields in shared.items():
            kwargs[name] = kinds[name](**{field.name: kwargs.pop(field.name) for field in fields})
            kwargs[name].check()
        command(*args, **kwargs)

    parameters = [*own, *itertools.chain(*shared.values())]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del wrapper.__wrapped__  # typer would follow it to the old signature
    return wrapper


def _fields(options: type) -> list[inspect.Parameter]:
    """The fields of a dataclass, as parameters of a function."""
    hints = get_type_hints(options, include_extras=True)
    return [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(options).parameters.items()
    ]

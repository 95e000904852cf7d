"""The options of `scanout boot`, declared once for both kinds of guest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from compositor.errors import BadInput

_LEAST_MEMORY = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class BootOptions:
    """What to boot, and what to do with it."""

    kernel: Annotated[Path | None, typer.Option(help="The kernel to boot.")] = None
    initrd: Annotated[Path | None, typer.Option(help="An initramfs of your own, instead of --program.")] = (
        None
    )
    program: Annotated[
        str | None, typer.Option(help="A guest program that ships: pageflip, pattern, hotplug.")
    ] = None
    memory: Annotated[int, typer.Option(help="Guest memory, MiB.")]
    console: Annotated[bool, typer.Option("--console", help="Show the guest's console.")] = False
    hotplug: Annotated[
        list[str] | None,
        typer.Option(
            metavar="S:MODE",
            help="At second S the first output's monitor is swapped; S:off: unplugged.",
        ),
    ] = None

    def check(self) -> None:
        """Refuse a size that no kernel boots with.

        Raises:
            BadInput: Below 64 MiB.
        """
        if self.memory < _LEAST_MEMORY:
            raise BadInput(f"--memory {self.memory}: a Linux guest needs at least {_LEAST_MEMORY} (MiB)")


@dataclass(frozen=True, slots=True, kw_only=True)
class UmlBootOptions(BootOptions):
    """Those of `scanout boot uml`."""

    memory: Annotated[int, typer.Option(help="Guest memory, MiB.")] = 256
    root: Annotated[Path | None, typer.Option(help="A directory as the guest's root (hostfs).")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuBootOptions(BootOptions):
    """Those of `scanout boot qemu`."""

    memory: Annotated[int, typer.Option(help="Guest memory, MiB.")] = 512
    arch: Annotated[Literal["x86_64", "aarch64"], typer.Option(help="The guest's processor.")] = "x86_64"

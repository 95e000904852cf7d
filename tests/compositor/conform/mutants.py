"""Devices with one rule broken each: what is patched into our own, and the checks that have to see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from virtio.gpu.commands import CONTROL, CURSOR, Entry
from virtio.gpu.session import Session
from virtio.gpu.wire import Command
from virtio.vhost_user.backend import _HANDLERS, Backend
from virtio.vhost_user.messages import Message, Request

Patch = pytest.MonkeyPatch


class Mutant(NamedTuple):
    """A device that breaks a rule.

    Attributes:
        breaks: Plants it.
        seen_by: The checks that have to fail.
    """

    breaks: Callable[[Patch], None]
    seen_by: tuple[str, ...]


MUTANTS: dict[str, Mutant] = {}


def mutant(*seen_by: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def enter(breaks: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTANTS[breaks.__name__] = Mutant(breaks, seen_by)
        return breaks

    return enter


def handles(patch: Patch, request: Request, handler: Callable[[Backend, Message], bytes | None]) -> None:
    patch.setitem(_HANDLERS, request, handler)


def executes(patch: Patch, command: Command, handler: Callable[[Session, Any, bytes], Any]) -> None:
    table = CURSOR if command in CURSOR else CONTROL
    entry = table[command]
    patch.setitem(table, command, Entry(entry.name, entry.layout, handler))

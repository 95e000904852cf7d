"""Tracebacks of failing tests, cut down to the test: what is inside of scanout tells its author nothing."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import compositor
import guest
import virtio
from compositor.errors import ScanoutError

if TYPE_CHECKING:
    import pytest

_STANDARD = f"{sysconfig.get_path('stdlib')}{os.sep}"
_OURS = tuple(f"{Path(str(package.__file__)).parent}{os.sep}" for package in (compositor, guest, virtio))


def trimmed(error: BaseException, item: pytest.Item) -> TracebackType | None:
    """The traceback of `error` without frames of this project.

    An error that is one clear line ends at the line of the test that it is about. Of any other one raised in
    here, which is a mistake of this project, everything is kept; so is everything with `--full-trace`.
    """
    trace = error.__traceback__
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    if item.config.getoption("fulltrace") or not entries:
        return error.__traceback__
    if _is_ours(entries[-1]) and not isinstance(error, ScanoutError | AssertionError):
        return error.__traceback__
    entries = [entry for entry in entries if not _is_ours(entry)]
    if isinstance(error, ScanoutError):
        while entries and entries[-1].tb_frame.f_code.co_filename.startswith(_STANDARD):
            entries.pop()  # what raised it was called by the standard library
    kept = None
    for entry in reversed(entries):
        kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _is_ours(entry: TracebackType) -> bool:
    return entry.tb_frame.f_code.co_filename.startswith(_OURS)

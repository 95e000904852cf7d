"""What takes long before a guest can start: done once, then in the cache."""

from __future__ import annotations

import os

from guest.linux.compiler import compile_program
from guest.linux.kernel import stock_kernel
from guest.linux.options import GuestOptions, QemuOptions
from guest.linux.payload import ours
from guest.linux.tool import Progress, no_progress


def prepare(options: GuestOptions, progress: Progress = no_progress) -> None:
    """Fetch and compile what a guest with these options needs and the cache has not.

    Starting a guest does the same by itself, but in an event loop, where nothing else can happen until a
    download of 70 MB is done: call this first.

    Args:
        options: The guest's.
        progress: Told about each stage.

    Raises:
        ToolMissing: A program that this needs is not installed.
        ToolFailed: A download or a compiler failed.
    """
    architecture = os.uname().machine
    if isinstance(options, QemuOptions):
        architecture = options.architecture
        if options.kernel is None:
            stock_kernel(architecture, progress)
    for name in ours(options):
        compile_program(name, architecture)

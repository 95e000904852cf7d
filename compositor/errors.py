"""What the compositor raises on purpose. Every message is one line: what is wrong, where, what to do."""

from __future__ import annotations


class CompositorError(Exception):
    """Base of every error that the compositor raises on purpose."""


class BadInput(CompositorError):
    """A text, a file or a property that somebody gave us makes no sense; nothing has changed."""


class RunFailed(CompositorError):
    """The run did not do what was asked of it (a guest died, a limit passed): exit status 1."""


class Misuse(CompositorError):
    """Our caller broke an interface: a wrong order, a closed object."""


class ScreenError(CompositorError):
    """The display or its driver refuses: no display, no library, an error out of OpenGL."""

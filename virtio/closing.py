"""What is closed when a `with` block ends."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """A context manager of itself, which closes itself at the end."""

    __slots__ = ()

    def close(self) -> None:
        """Give everything back; once more does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

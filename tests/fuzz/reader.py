"""Inputs as small records: a target reads its steps from the fuzzer's bytes, and writes its seeds so."""

from __future__ import annotations


class Reader:
    """Takes an input apart. What lies behind its end is 0, so that each input means something."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def __bool__(self) -> bool:
        """Whether there is anything left."""
        return bool(self._rest)

    def number(self, size: int = 1) -> int:
        """A number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def take(self, size: int) -> bytes:
        """As many bytes, or those that there are."""
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)

    def block(self) -> bytes:
        """Bytes behind their number, which has two bytes."""
        return self.take(self.number(2))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._rest))


def block(data: bytes) -> bytes:
    """What `Reader.block` reads back."""
    return len(data).to_bytes(2, "little") + data

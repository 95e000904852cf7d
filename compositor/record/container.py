"""The outer form of a recording: a file of compressed, checksummed chunks that only ever grows.

    file    magic (8 bytes), version (u32), then chunks until the one that is marked as the last
    chunk   header (36 bytes), payload
    header  "CHNK", number from 0 (u32), payload bytes (u32), content bytes (u32), flags (u32),
            XXH3 of the payload (u64), XXH3 of the 28 header bytes before (u64)
    payload one Zstandard frame

All numbers are little-endian; flag 1 marks the last chunk; a chunk's content has at most 1 GiB. Chunks
depend on nothing before them, so a file that was cut off holds all that its whole chunks hold. The header
has a checksum of its own: without it, a damaged length would look like a file that was cut off.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import xxhash
import zstandard

from compositor.errors import BadInput

MAGIC = b"\x89scanout"
VERSION = 2
_PREFIX = struct.Struct("<8sI")
_HEADER = struct.Struct("<4sIIIIQ")
_CHECK = struct.Struct("<Q")
_CHUNK = b"CHNK"
_LAST = 1
# A chunk is written when it has this much, so it has at most this and one record more.
CHUNK_BYTES = 1 << 20
_LARGEST = 1 << 30
_PART = 1 << 24  # bytes of a payload that are read at a time
# Level 1: above it, animated frames cost twice the time for a few per cent (see ARCHITECTURE.md).
_LEVEL = 1


class Packed(NamedTuple):
    """A chunk's content, compressed.

    Attributes:
        payload: One Zstandard frame.
        size: Bytes of the content.
    """

    payload: bytes
    size: int


def pack(content: bytes | memoryview) -> Packed:
    """Compress a chunk's content; several threads may do so at a time."""
    return Packed(zstandard.ZstdCompressor(level=_LEVEL).compress(content), len(content))


class ChunkWriter:
    """Writes a recording's chunks to a file, each at once and whole.

    Args:
        file: Open for writing, unbuffered: what is written survives this process. It stays the caller's.

    Attributes:
        written: Bytes of the file so far.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.written = 0
        self._file = file
        self._number = 0
        self._refused: OSError | None = None
        self._write(_PREFIX.pack(MAGIC, VERSION))

    def add(self, packed: Packed, *, last: bool = False) -> None:
        """Append one chunk.

        Raises:
            OSError: The file takes no more, or has refused a chunk before this one.
        """
        payload, size = packed
        header = _HEADER.pack(
            _CHUNK, self._number, len(payload), size, _LAST * last, xxhash.xxh3_64_intdigest(payload)
        )
        self._write(header + _CHECK.pack(xxhash.xxh3_64_intdigest(header)) + payload)
        self._number += 1

    def _write(self, data: bytes) -> None:
        if self._refused is not None:
            raise self._refused
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._refused = error
            raise
        self.written += len(data)


class ChunkReader:
    """Reads a recording's chunks, one at a time.

    Args:
        file: Open for reading, at its beginning; it stays the caller's.
        name: The file's name, for messages.

    Attributes:
        cut_off: The file ended before its last chunk did; known when all chunks have been read.

    Raises:
        BadInput: It is no recording, or one of another version.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self.cut_off = False
        prefix = file.read(_PREFIX.size)
        if not prefix.startswith(MAGIC):
            raise BadInput(f"{name}: not a recording; `--record F` makes one")
        if len(prefix) < _PREFIX.size:
            raise BadInput(f"{name}: cut off before its first command: nothing to replay")
        _, version = _PREFIX.unpack(prefix)
        if version != VERSION:
            raise BadInput(
                f"{name}: a recording of version {version}, this program reads {VERSION}: record it again"
            )

    def __iter__(self) -> Iterator[bytes]:
        """The content of each chunk, until the last one or the end of the file.

        Raises:
            BadInput: A chunk is damaged, or something follows the last one.
        """
        number = 0
        while True:
            at = self._file.tell()
            head = self._file.read(_HEADER.size + _CHECK.size)
            if len(head) < _HEADER.size + _CHECK.size:
                self.cut_off = True
                return
            flags, size, payload = self._payload(head, number, at)
            if payload is None:
                self.cut_off = True
                return
            try:
                content = _unpack(payload, size)
            except zstandard.ZstdError as error:
                raise self._damaged(number, at, str(error)) from None
            yield content
            if flags & _LAST:
                if self._file.read(1):
                    raise BadInput(f"{self._name}: something follows the recording's end")
                return
            number += 1

    def _payload(self, head: bytes, number: int, at: int) -> tuple[int, int, bytes | None]:
        """Flags, size of the content, and payload (None: cut off) of the chunk with that header."""
        magic, own_number, length, size, flags, checksum = _HEADER.unpack_from(head)
        if xxhash.xxh3_64_intdigest(head[: _HEADER.size]) != _CHECK.unpack_from(head, _HEADER.size)[0]:
            raise self._damaged(number, at, "its header's checksum is wrong")
        if magic != _CHUNK or own_number != number or size > _LARGEST:
            raise self._damaged(number, at, "its header makes no sense")
        payload = self._read(length)
        if len(payload) < length:
            return flags, size, None
        if xxhash.xxh3_64_intdigest(payload) != checksum:
            raise self._damaged(number, at, "its checksum is wrong")
        return flags, size, payload

    def _read(self, length: int) -> bytes:
        """At most so many bytes; memory is taken for what the file has, not for what a header says."""
        parts = []
        while length and (part := self._file.read(min(length, _PART))):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _damaged(self, number: int, at: int, why: str) -> BadInput:
        return BadInput(f"{self._name}: damaged: chunk {number} at byte {at}: {why}; what came before it ran")


def _unpack(payload: bytes, size: int) -> bytes:
    """The content of a frame.

    zstandard's `decompress` takes as much memory as the frame says, whatever its caller allows.

    Raises:
        ZstdError: It has not `size` bytes, or it is damaged.
    """
    named = zstandard.get_frame_parameters(payload).content_size
    if named != size:
        raise zstandard.ZstdError(f"its content has not the {size} bytes that its header says")
    return zstandard.ZstdDecompressor().decompress(payload)

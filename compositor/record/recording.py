"""A recording that is opened for reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compositor.errors import BadInput
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.record.container import ChunkReader
from compositor.record.documents import MachineDocument, MonitorDocument, read_document
from compositor.record.records import Kind, Record, decode
from virtio.closing import Closing
from virtio.regular import open_regular


class Recording(Closing):
    """The records of a file, read as they are needed; context manager.

    Attributes:
        path: The file.
        clock: What the run was recorded on, "virtual" or "real".
        outputs: Fresh outputs with the monitors of that run.

    Raises:
        BadInput: It cannot be read, is no recording, or one of another version, or holds nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open_regular(path)
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror}") from None
        try:
            self._chunks = ChunkReader(self._file, str(path))
            self._records = self._read()
            first = next(self._records, None)
            if first is None:
                raise BadInput(f"{path}: cut off before its first command: nothing to replay")
            if first.kind is not Kind.MACHINE:
                raise BadInput(f"{path}: does not begin with a machine: it was not written by --record")
            machine = read_document(first, MachineDocument)
            self.clock = machine.clock
            self.outputs = [make_output(monitor) for monitor in machine.outputs]
        except BaseException:
            self._file.close()
            raise

    @property
    def cut_off(self) -> bool:
        """Whether the file ended before the recording did; known at its end."""
        return self._chunks.cut_off

    def __iter__(self) -> Iterator[Record]:
        """What follows the record of the machine, once.

        Raises:
            BadInput: The file is damaged from here on.
        """
        return self._records

    def _read(self) -> Iterator[Record]:
        for content in self._chunks:
            yield from decode(content)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def describe_output(output: Output) -> dict[str, Any]:
    """An output, as recordings have it: a `MonitorDocument`."""
    return {
        "name": output.name,
        "mode": str(output.mode),
        "background": output.background,
        "position": output.position,
        "plugged": output.plugged,
        **({"linear_light": True} if output.linear_light else {}),
        # What is composed is read when it is damaged, what is scanned out whenever one looks.
        **({} if output.direct_scanout else {"direct_scanout": False}),
    }


def make_output(monitor: MonitorDocument) -> Output:
    """The output that `describe_output` described; those of older recordings are all plugged in.

    Raises:
        BadInput: Its mode or background makes no sense.
    """
    return Output(
        Mode.parse(monitor.mode),
        name=monitor.name,
        background=monitor.background,
        position=monitor.position,
        plugged=monitor.plugged,
        linear_light=monitor.linear_light,
        direct_scanout=monitor.direct_scanout,
    )

"""Recordings that were made to do harm, all checksums right: one line, and no more memory than they fill."""

import asyncio
import json
import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import xxhash
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compositor import Machine
from compositor.adapter.display import Placement
from compositor.errors import BadInput
from compositor.machine.run import StopReason
from compositor.output.output import Output
from compositor.record import container
from compositor.record.container import ChunkReader, ChunkWriter, Packed, pack
from compositor.record.recording import Recording
from compositor.record.records import CommandRecord, ContentRecord, Kind, Record, decode
from guest import SimulatedGuest
from virtio.gpu.wire import (
    BlobMem,
    Command,
    Header,
    MemEntry,
    ResourceCreateBlob,
    Response,
)
from virtio.gpu.wire import pack as packed

DOCUMENTS = {Kind.MACHINE, Kind.GUEST, Kind.PLACE, Kind.PLUG}
ODD: list[Any] = [
    None, -1, 0, 1, 1 << 40, 1 << 70, 1.5, 1e308, "", "x" * 300, "a\0b", "a\nb", "\ud800", [], [1],
    [1, 2, 3, 4], [[[]]], {}, {"a": 1}, True, "96x64@60",
]  # fmt: skip
NUMBERS = [0, 1, 7, 255, 65_535, 1 << 16, 1 << 20, 1 << 31, (1 << 32) - 1]


async def _everything(path: Path) -> None:
    """A recording with every kind of record."""
    async with Machine(outputs=["48x32@60", "32x32@50"], record=path, repaint_delay_ns=5_000_000) as machine:
        first = await machine.attach(SimulatedGuest("desktop", size=(48, 32)))
        second = SimulatedGuest("gears")
        place = Placement(output=1, width=16, height=16, opacity=0.5, clip=(1, 1, 9, 9))
        other = await machine.attach(second, [place])
        await machine.run(frames=2)
        other.put(0, Placement(x=3, width=16, height=16, transform="90"))
        machine.set_mode(0, "32x32@50")
        machine.unplug(1)
        await machine.run(frames=1)
        machine.plug(1)
        machine.plug(Output("16x16@60", name="new"))
        first.set_sync("queue")
        second.start()
        await machine.run(frames=1)
        await other.close()
        machine.guests.remove(other)
        await machine.run(frames=1)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    path = tmp_path_factory.mktemp("record") / "f"
    asyncio.run(_everything(path))
    with path.open("rb") as file:
        records = [record for chunk in ChunkReader(file, "f") for record in decode(chunk)]
    assert {record.kind for record in records} == set(Kind)
    return records


def write(path: Path, records: Sequence[Record]) -> None:
    with path.open("wb", buffering=0) as file:
        parts = (part for record in records for part in record.encode())
        ChunkWriter(file).add(pack(b"".join(parts)), last=True)


def play(path: Path) -> StopReason:
    async def run() -> StopReason:
        with Recording(path) as recording:
            outputs = recording.outputs
            async with Machine(outputs=outputs, repaint="recorded", report=lambda _line: None) as machine:
                machine.replay(recording)
                reason = await machine.run()
                machine.stats()
                return reason

    return asyncio.run(run())


def refused(path: Path) -> str:
    with pytest.raises(BadInput) as refusal:
        play(path)
    assert str(refusal.value).isprintable()
    return str(refusal.value)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """(container, key) of all that a JSON document holds."""
    if not isinstance(document, dict | list):
        return []
    keys = list(document if isinstance(document, dict) else range(len(document)))
    return [(document, key) for key in keys] + [place for key in keys for place in _places(document[key])]


def _odd_document(payload: bytes, data: st.DataObject) -> bytes:
    document = json.loads(payload)
    holder, key = data.draw(st.sampled_from(_places(document)))
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(st.sampled_from(ODD))
    return json.dumps(document).encode()


def _odd_bytes(payload: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(payload)))
    how = data.draw(st.sampled_from(["cut", "grow", "byte", "number"]))
    if how == "cut":
        return payload[:at]
    if how == "grow":
        return payload[:at] + data.draw(st.binary(max_size=9)) + payload[at:]
    if how == "byte":
        return payload[:at] + data.draw(st.binary(min_size=1, max_size=1)) + payload[at + 1 :]
    at &= ~3
    return payload[:at] + data.draw(st.sampled_from(NUMBERS)).to_bytes(4, "little") + payload[at + 4 :]


def _mutant(records: Sequence[Record], data: st.DataObject) -> list[Record]:
    mutant = list(records)
    kind = data.draw(st.sampled_from(sorted(Kind)))
    at = data.draw(st.sampled_from([i for i, record in enumerate(mutant) if record.kind is kind]))
    record = mutant[at]
    how = data.draw(st.sampled_from(["payload", "bytes", "subject", "gone", "twice", "time", "kind"]))
    if how == "payload" and kind in DOCUMENTS:
        mutant[at] = record._replace(payload=_odd_document(record.payload, data))
    elif how in ("payload", "bytes"):
        mutant[at] = record._replace(payload=_odd_bytes(record.payload, data))
    elif how == "subject":
        mutant[at] = record._replace(subject=data.draw(st.sampled_from([0, 1, 2, 3, 9, 65_535])))
    elif how == "gone":
        del mutant[at]
    elif how == "twice":
        mutant.insert(data.draw(st.integers(0, len(mutant))), record)
    elif how == "time":
        mutant[at] = record._replace(time_ns=data.draw(st.sampled_from([0, 1, 1 << 63, (1 << 64) - 1])))
    else:
        mutant[at] = record._replace(kind=data.draw(st.sampled_from(sorted(Kind))))
    return mutant


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_mutant_with_right_checksums_is_replayed_or_refused_in_one_line(
    everything: list[Record], tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "mutant"
    write(path, _mutant(everything, data))
    try:
        play(path)
    except BadInput as refusal:
        line = str(refusal)
    else:
        line = ""
    assert line.isprintable()


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (Kind.MACHINE, b'{"clock":"virtual","outputs":["48x32@60"]}'),
        (Kind.MACHINE, b'{"clock":"virtual","outputs":[{"name":"a","mode":7,"background":0}]}'),
        (Kind.MACHINE, b"[" * 100_000),
        (Kind.PLUG, b'{"name":"a","mode":"32x32","background":0,"position":[1]}'),
        (Kind.GUEST, b'{"name":"a","kind":"uml","places":["x"]}'),
        (Kind.GUEST, b'{"name":"a","kind":"uml","places":[{"x":"1"}]}'),
        (Kind.GUEST, b'{"name":"' + b"x" * 300 + b'","kind":"uml","places":[{}]}'),
        (Kind.PLACE, b'{"scanout":0,"place":{"clip":["1",0,1,1]}}'),
        (Kind.PLACE, b'{"scanout":0,"place":{"x":1000000000000000000000}}'),
    ],
)
def test_a_document_whose_types_are_wrong_is_refused(
    everything: list[Record], tmp_path: Path, kind: Kind, document: bytes
) -> None:
    path = tmp_path / "f"
    write(path, [r._replace(payload=document) if r.kind is kind else r for r in everything])
    refused(path)


def test_an_output_that_leaves_a_gap_is_refused(everything: list[Record], tmp_path: Path) -> None:
    path = tmp_path / "f"
    new = [i for i, record in enumerate(everything) if record.kind is Kind.PLUG][-1]
    everything = [r._replace(subject=9) if i == new else r for i, r in enumerate(everything)]
    write(path, everything)
    assert "there is no output 9" in refused(path)


# Memory.


@pytest.fixture
def little_memory() -> Any:
    """Address space for 256 MiB more than there is now; what takes more raises MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (256 << 20), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def _file_of(path: Path, payload: bytes, size: int) -> None:
    with path.open("wb", buffering=0) as file:
        ChunkWriter(file).add(Packed(payload, size), last=True)


@pytest.mark.usefixtures("little_memory")
def test_a_frame_that_names_more_than_its_header_is_not_unpacked(tmp_path: Path) -> None:
    compressor = zstandard.ZstdCompressor().compressobj(size=1 << 29)
    megabyte = bytes(1 << 20)
    payload = b"".join(compressor.compress(megabyte) for _ in range(1 << 9)) + compressor.flush()
    assert len(payload) < 1 << 20
    _file_of(tmp_path / "f", payload, 100)
    assert "chunk 0 at byte 12: its content has not the 100 bytes" in refused(tmp_path / "f")


def test_a_frame_that_does_not_name_its_size_is_refused(tmp_path: Path) -> None:
    payload = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100))
    _file_of(tmp_path / "f", payload, 100)
    assert "its content has not the 100 bytes" in refused(tmp_path / "f")


@pytest.mark.usefixtures("little_memory")
def test_a_payload_that_the_file_does_not_have_takes_no_memory(tmp_path: Path) -> None:
    header = container._HEADER.pack(b"CHNK", 0, (1 << 32) - 1, 100, 0, 0)
    check = container._CHECK.pack(xxhash.xxh3_64_intdigest(header))
    path = tmp_path / "f"
    path.write_bytes(container._PREFIX.pack(container.MAGIC, container.VERSION) + header + check + b"short")
    assert "cut off before its first command" in refused(path)


def _sent(request: bytes) -> bytes:
    answer = packed(Header(Response.OK_NODATA, 0, 0, 0, 0))
    return CommandRecord(0, len(request), len(answer), request, answer).encode()


def _guest_that_sends(everything: list[Record], *following: Record) -> list[Record]:
    kinds = (Kind.MACHINE, Kind.GUEST, Kind.DEVICE, Kind.ACTIVATE)
    firsts = (next(record for record in everything if record.kind is kind) for kind in kinds)
    return [*(record._replace(subject=0, time_ns=0) for record in firsts), *following]


def _blob(resource_id: int, entries: int, length: int, claimed: int | None = None) -> bytes:
    body = ResourceCreateBlob(
        resource_id, BlobMem.GUEST, 0, entries if claimed is None else claimed, 0, entries * length
    )
    header = packed(Header(Command.RESOURCE_CREATE_BLOB, 0, 0, 0, 0))
    return header + packed(body) + packed(MemEntry(0, length)) * entries


def test_buffers_cost_what_is_written_to_them(everything: list[Record], tmp_path: Path) -> None:
    path = tmp_path / "f"
    gigabytes = [
        Record(Kind.COMMAND, 0, 0, _sent(_blob(resource_id, 4, 1 << 30))) for resource_id in range(1, 9)
    ]
    write(path, _guest_that_sends(everything, *gigabytes))
    assert _most_resident(lambda: play(path)) < 256 << 20


def _most_resident(work: Callable[[], object]) -> int:
    """Bytes by which the process's largest resident size grew."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


@pytest.mark.parametrize("claimed", [2, 50_331_652, (1 << 32) - 1])
def test_a_blob_with_more_pieces_than_it_names_is_refused(
    everything: list[Record], tmp_path: Path, claimed: int
) -> None:
    path = tmp_path / "f"
    command = Record(Kind.COMMAND, 0, 0, _sent(_blob(1, 1, 4096, claimed)))
    write(path, _guest_that_sends(everything, command))
    assert f"a buffer of {claimed} pieces" in refused(path)


def test_a_command_that_is_too_short_to_have_been_carried_out_is_refused(
    everything: list[Record], tmp_path: Path
) -> None:
    path = tmp_path / "f"
    command = Record(Kind.COMMAND, 0, 0, _sent(_blob(1, 1, 4096)[:30]))
    write(path, _guest_that_sends(everything, command))
    assert "a ResourceCreateBlob of 30 bytes" in refused(path)


def test_a_command_of_no_bytes_at_all_is_refused(everything: list[Record], tmp_path: Path) -> None:
    path = tmp_path / "f"
    command = Record(Kind.COMMAND, 0, 0, CommandRecord(0, 0, 0, b"", b"").encode())
    write(path, _guest_that_sends(everything, command))
    assert "a command of no bytes" in refused(path)


def test_extents_without_number_are_refused() -> None:
    payload = (1).to_bytes(4, "little") + ((1 << 22) + 1).to_bytes(4, "little")
    with pytest.raises(BadInput, match="extents"):
        ContentRecord.decode(payload + bytes(100))


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    assert refused(path) == f"{path}: not a regular file"


def test_a_device_is_refused_at_once() -> None:
    assert refused(Path("/dev/zero")) == "/dev/zero: not a regular file"

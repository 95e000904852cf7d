import json
from pathlib import Path

import numpy as np
import pytest

from compositor.errors import BadInput
from compositor.observe.statistics import GuestStatistics, OutputStatistics, document, to_json, write_json
from compositor.output.frame import Frame
from compositor.output.plane import DEFAULT_PLANES
from compositor.output.plane_assignment import Grant, Why
from compositor.pixels.format import PixelFormat


def frame(time_ns: int, *, direct: bool = True, compose_bytes: int = 0) -> Frame:
    return Frame(
        "output-0",
        1,
        time_ns,
        (),
        direct,
        {"": compose_bytes},
        {},
        np.zeros((1, 1, 4), np.uint8),
        PixelFormat.XRGB8888,
        grants={"guest-0": Grant(DEFAULT_PLANES.primary, Why.FILLS) if direct else Grant(None, Why.SMALLER)},
    )


def example() -> dict[str, object]:
    output, guest = OutputStatistics("output-0", "1024x768@60"), GuestStatistics("guest-0", "simulated")
    for number in range(4):
        output.presented(frame(number * 16_666_667, direct=number > 0, compose_bytes=0 if number else 100))
        guest.submitted()
    output.readback_bytes += 12
    guest.presented(8_100_000)
    guest.presented(8_100_000, torn=True)
    guest.discarded()
    guest.fence_waited(2_000_000)
    guest.bytes["compose"] += 100
    guest.commands.update({"SET_SCANOUT_BLOB": 4, "RESOURCE_FLUSH": 4})
    return document(
        version="0.1.0",
        clock="virtual",
        duration_ns=66_666_668,
        wall_ns=1_234_567,
        digest="sha256:00",
        outputs=[output],
        guests=[guest],
    )


def test_the_document_has_the_published_shape() -> None:
    assert example() == {
        "scanout": "0.1.0",
        "clock": "virtual",
        "duration_s": 0.066666668,
        "wall_s": 0.001,
        "digest": "sha256:00",
        "outputs": [
            {
                "name": "output-0",
                "mode": "1024x768@60",
                "presented": 4,
                "direct_scanout": 3,
                "missed_vblanks": 0,
                "interval_ms": {"p50": 16.67, "p99": 16.67, "max": 16.67},
                "bytes": {"compose": 100, "upload": 0, "readback": 12},
                "planes": [
                    {
                        "layer": "guest-0",
                        "plane": None,
                        "why": "it does not fill the screen exactly, and no overlay is free",
                        "frames": 1,
                    },
                    {"layer": "guest-0", "plane": "primary", "why": "it fills the screen", "frames": 3},
                ],
            }
        ],
        "guests": [
            {
                "name": "guest-0",
                "kind": "simulated",
                "frames": {"submitted": 4, "presented": 2, "discarded": 1, "torn": 1, "early_reuse": 0},
                "latency_ms": {"p50": 8.1, "p99": 8.1},
                "bytes": {"transfer": 0, "cursor": 0, "compose": 100, "upload": 0, "readback": 0},
                "bytes_per_frame": 50.0,
                "fence_wait_ms": {"p50": 2.0, "p99": 2.0},
                "late_fences": 0,
                "flips_outstanding": 0,
                "early_reuse": [],
                "commands": {"RESOURCE_FLUSH": 4, "SET_SCANOUT_BLOB": 4},
                "errors": {},
                "host_memory_bytes": 0,
            }
        ],
    }


def test_bytes_are_counted_by_hop() -> None:
    output = OutputStatistics("output-0", "640x480@60")
    output.presented(frame(0, compose_bytes=5))
    output.presented(frame(1, compose_bytes=7))
    assert (output.compose_bytes, output.upload_bytes, output.readback_bytes) == (12, 0, 0)


def test_a_guest_that_showed_nothing_has_no_bytes_per_frame() -> None:
    guest = GuestStatistics("guest-0", "uml")
    guest.bytes["transfer"] = 4096
    assert guest.as_dict()["bytes_per_frame"] == 0.0


def test_the_file_holds_the_document(tmp_path: Path) -> None:
    write_json(tmp_path / "stats.json", example())
    text = (tmp_path / "stats.json").read_text()
    assert text == to_json(example())
    assert json.loads(text) == example()
    assert list(json.loads(text)) == [
        "scanout",
        "clock",
        "duration_s",
        "wall_s",
        "digest",
        "outputs",
        "guests",
    ]


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^cannot write .*: No such file or directory$"):
        write_json(tmp_path / "missing" / "stats.json", example())

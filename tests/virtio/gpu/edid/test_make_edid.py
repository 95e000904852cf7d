"""Whole EDIDs, for any mode, and as edid-decode reads them."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.display import DisplayMode
from virtio.gpu.edid import make_edid

EDID_DECODE = shutil.which("edid-decode")

MODES = [
    DisplayMode(640, 480),
    DisplayMode(800, 600, 75_000),
    DisplayMode(1024, 768, name="left"),
    DisplayMode(1280, 800, 59_940),
    DisplayMode(1366, 768),
    DisplayMode(1920, 1080, 144_000, name="a name that is too long"),
    DisplayMode(2560, 1440),
    DisplayMode(3840, 2160),
    DisplayMode(2160, 3840),
    DisplayMode(1920, 1080, 240_000),
    DisplayMode(5120, 2880),
    DisplayMode(7680, 4320),
]


@given(
    width=st.integers(-1, 1 << 32),
    height=st.integers(-1, 1 << 32),
    refresh_mhz=st.integers(-1, 1 << 32),
    name=st.text(max_size=20),
    scanout_id=st.integers(0, 15),
)
def test_every_mode_has_an_edid_whose_blocks_add_up(
    width: int, height: int, refresh_mhz: int, name: str, scanout_id: int
) -> None:
    edid = make_edid(DisplayMode(width, height, refresh_mhz, name=name), scanout_id)
    blocks = [edid[start : start + 128] for start in range(0, len(edid), 128)]
    assert len(blocks) == 1 + edid[126]
    assert all(sum(block) % 256 == 0 for block in blocks)
    assert edid[12] == scanout_id + 1


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: f"{mode.width}x{mode.height}@{mode.refresh_mhz}")
@pytest.mark.skipif(EDID_DECODE is None, reason="edid-decode is not installed")
def test_edid_decode_has_nothing_to_complain_of(mode: DisplayMode) -> None:
    result = subprocess.run(
        [str(EDID_DECODE), "--check", "--preferred-timings"],
        input=make_edid(mode),
        capture_output=True,
        check=False,
    )
    output = result.stdout.decode()
    assert "EDID conformity: PASS" in output, output
    preferred = re.findall(r"^  DTD.*?(\d+)x(\d+)\s+([0-9.]+) Hz", output, flags=re.M)[-1]
    assert (int(preferred[0]), int(preferred[1])) == (mode.width, mode.height)
    assert float(preferred[2]) == pytest.approx(mode.refresh_mhz / 1000, abs=0.02)

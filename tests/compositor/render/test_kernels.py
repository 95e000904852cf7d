"""The compiled loops: equal to the exact ones everywhere, and not to be kept from running by a cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compositor.pixels.format import PixelFormat
from compositor.render import blend, exact

pytest.importorskip("numba")

blend.load()

DRAW = """
import numpy, sys
from compositor.pixels.format import PixelFormat
from compositor.render import blend
blend.load()
target, source = numpy.full((2, 2, 2, 4), 200, numpy.uint8)
blend.over(target, source, PixelFormat.ARGB8888)
assert "compositor.render.fused.kernel" in sys.modules
print(target[0, 0].tolist())
"""
DRAWN = "[243, 243, 243, 255]"  # 200 + 200 * 55 / 255


ROOT = Path(blend.__file__).parents[2]


def draw(root: Path = ROOT, **environment: str) -> str:
    """What a new process draws."""
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=root,  # which Python looks at first
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_over_is_right_for_every_channel_background_and_alpha(pixel_format: PixelFormat) -> None:
    """All 2^24 in each of the three channels at once, against the numpy loop that is tested on its own."""
    background, colour = (plane.astype(np.uint8) for plane in np.indices((256, 256)))
    for alpha in range(0, 256, 1 if pixel_format is PixelFormat.ARGB8888 else 15):
        target = np.dstack([background, background[::-1], colour, np.full_like(colour, 255)])
        source = np.dstack([colour, background, background, colour])
        source[..., pixel_format.alpha] = alpha
        expected = target.copy()
        exact.over(expected, source, pixel_format)
        blend.over(target, source, pixel_format)
        np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_convert_puts_every_channel_in_its_place(pixel_format: PixelFormat) -> None:
    source = np.random.default_rng(2).integers(0, 256, (33, 65, 4), np.uint8)
    target, expected = np.zeros((2, 33, 65, 4), np.uint8)
    exact.convert(expected, source, pixel_format)
    blend.convert(target, source, pixel_format)
    np.testing.assert_array_equal(target, expected)


def test_kernels_run_where_nothing_can_be_cached(tmp_path: Path) -> None:
    """Also where only root would be let in: a file is in the way of the cache's directory."""
    blocked = tmp_path / "file"
    blocked.touch()
    assert draw(NUMBA_CACHE_DIR=str(blocked / "cache")) == DRAWN


def test_kernels_run_where_the_cache_is_damaged(tmp_path: Path) -> None:
    assert draw(NUMBA_CACHE_DIR=str(tmp_path)) == DRAWN
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files, "nothing was cached"
    for path in files:
        path.write_bytes(path.read_bytes()[:40])
    assert draw(NUMBA_CACHE_DIR=str(tmp_path)) == DRAWN


def test_the_cache_knows_every_source_that_is_compiled_into_a_kernel(tmp_path: Path) -> None:
    """An edit of a helper makes new machine code, also where the module of the kernel is unchanged."""
    copy = tmp_path / "project"
    for package in ("compositor", "virtio"):
        shutil.copytree(ROOT / package, copy / package)
    cache = tmp_path / "cache"
    assert draw(copy, NUMBA_CACHE_DIR=str(cache)) == DRAWN
    arithmetic = copy / "compositor/render/fused/arithmetic.py"
    source = arithmetic.read_text()
    assert source.count("_constant(half, 128)") == 1
    arithmetic.write_text(source.replace("_constant(half, 128)", "_constant(half, 255)"))
    assert draw(copy, NUMBA_CACHE_DIR=str(cache)) == "[244, 244, 244, 255]"  # rounded up

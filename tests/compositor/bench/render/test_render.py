"""The benchmark of the renderer: what it draws, and that it draws the same as its peers."""

import ctypes
from importlib import import_module

import numpy as np
import pytest

from compositor.bench.render import GROUPS, desktop, run
from compositor.bench.render.content import CONTENT
from compositor.bench.render.peers import Peers
from compositor.errors import BadInput
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import blend
from compositor.render.cpu import compose


@pytest.mark.parametrize("content", CONTENT)
def test_content_is_premultiplied_and_the_same_in_every_run(content: str) -> None:
    picture = CONTENT[content](320, 200, 1)
    assert (picture[..., :3] <= picture[..., 3:]).all() or (picture[..., 3] == 255).any()
    np.testing.assert_array_equal(picture, CONTENT[content](320, 200, 1))


@pytest.mark.parametrize("content", CONTENT)
def test_peers_draw_what_we_draw(content: str) -> None:
    below, source = CONTENT["opaque"](320, 200, 2), CONTENT[content](320, 200, 1)
    expected = below.copy()
    blend.over(expected, source, PixelFormat.ARGB8888)
    for name, draw in Peers().over(target := below.copy(), source).items():
        target[:] = below
        draw()
        off = np.abs(target[..., :3].astype(int) - expected[..., :3]).max()
        assert off <= (1 if name == "skia" else 0), name


@pytest.mark.parametrize("threads", [1, 2])
def test_pixman_paints_the_same_desktop(threads: int) -> None:
    peers = Peers()
    if peers.pixman is None:
        pytest.skip("pixman is not installed (apt install libpixman-1-0)")
    scene = desktop.layers(480, 270)
    ours, theirs = np.zeros((2, 270, 480, 4), np.uint8)
    compose(ours, scene, [Rect(0, 0, 480, 270)])
    desktop._pixman(peers, theirs, scene, threads)()
    np.testing.assert_array_equal(ours[..., :3], theirs[..., :3])


def test_a_renderer_that_is_not_installed_is_named_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_name: str) -> ctypes.CDLL:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", absent)
    peers = Peers()
    assert {"pixman", "cairo"} <= set(peers.missing)
    assert not {"pixman", "cairo"} & set(
        peers.over(np.zeros((1, 1, 4), np.uint8), np.zeros((1, 1, 4), np.uint8))
    )


def test_without_numba_there_is_nothing_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blend, "load", lambda: None)
    with pytest.raises(BadInput, match="numba"):
        run()


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_is_a_module_that_measures_rows(group: str) -> None:
    assert callable(import_module(f"compositor.bench.render.{group}").rows)

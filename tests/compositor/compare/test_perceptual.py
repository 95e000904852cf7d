import sys

import numpy as np
import pytest

from compositor.compare import compare
from compositor.errors import BadInput
from tests.compositor.compare.pngs import picture


def test_without_scikit_image_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(BadInput, match=r"perceptual needs scikit-image: pip install 'scanout\[perceptual\]'"):
        compare(picture(9, 9), picture(9, 9, seed=1), tolerance="perceptual=0.1")


def test_equal_pictures_need_no_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    assert compare(picture(9, 9), picture(9, 9), tolerance="perceptual=0").equal


def test_a_part_is_looked_at_and_the_whole_is_judged() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    first = np.full((80, 120, 4), 255, np.uint8)
    first[..., :3] = picture(120, 80)[..., :1] // 2
    second = first.copy()
    second[20:30, 40:60, :3] += 40
    whole = (
        1
        - metrics.structural_similarity(
            *(p[..., 0] / 255 for p in (first, second)), win_size=7, data_range=1.0, full=True
        )[1]
    )
    found = compare(first, second, tolerance="perceptual=0.5")
    assert found.perceptual is not None
    assert found.perceptual == pytest.approx(whole.mean(), rel=1e-6)
    assert found.equal
    assert not compare(first, second, tolerance=f"perceptual={found.perceptual / 2}").equal
    masked = compare(first, second, tolerance="perceptual=0", mask=(40, 20, 10, 10))
    assert masked.perceptual is not None
    assert 0 < masked.perceptual < found.perceptual


def test_a_picture_smaller_than_the_window_is_refused() -> None:
    pytest.importorskip("skimage.metrics")
    with pytest.raises(BadInput, match="a picture needs at least 7x7 pixels"):
        compare(picture(6, 9), picture(6, 9, seed=1), tolerance="perceptual=0.1")

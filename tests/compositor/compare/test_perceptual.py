import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.compare import compare
from compositor.errors import BadInput
from tests.compositor.compare.pngs import picture

Map = NDArray[np.float64]


def by_definition(one: Map, other: Map, *, win_size: int, data_range: float, full: bool) -> tuple[float, Map]:
    """SSIM as its authors define it, with the means and (co)variances of square windows."""
    x, y = (
        np.lib.stride_tricks.sliding_window_view(
            np.pad(part, win_size // 2, mode="symmetric"), (win_size, win_size)
        ).reshape(*part.shape, -1)
        for part in (one, other)
    )
    near = x - x.mean(axis=2, keepdims=True), y - y.mean(axis=2, keepdims=True)
    count = win_size**2 - 1
    first, second = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    product = 2 * x.mean(axis=2) * y.mean(axis=2) + first
    covariance = 2 * (near[0] * near[1]).sum(axis=2) / count + second
    squares = x.mean(axis=2) ** 2 + y.mean(axis=2) ** 2 + first
    variances = ((near[0] ** 2).sum(axis=2) + (near[1] ** 2).sum(axis=2)) / count + second
    found = product * covariance / (squares * variances)
    return float(found.mean()), found


@pytest.fixture(params=["by definition", "scikit-image"])
def metrics(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "scikit-image":
        return pytest.importorskip("skimage.metrics")
    planted = SimpleNamespace(structural_similarity=by_definition)
    monkeypatch.setitem(sys.modules, "skimage", SimpleNamespace(metrics=planted))
    monkeypatch.setitem(sys.modules, "skimage.metrics", planted)
    return planted


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)


@pytest.mark.usefixtures("missing")
def test_without_scikit_image_the_command_that_installs_it_is_named() -> None:
    with pytest.raises(BadInput, match=r"perceptual needs scikit-image: pip install scikit-image"):
        compare(picture(9, 9), picture(9, 9, seed=1), tolerance="perceptual=0.1")


@pytest.mark.usefixtures("missing")
def test_equal_pictures_need_no_scikit_image() -> None:
    assert compare(picture(9, 9), picture(9, 9), tolerance="perceptual=0").equal


@pytest.mark.parametrize(
    ("rows", "columns"), [(slice(20, 30), slice(40, 60)), (slice(1), slice(1)), (slice(79, 80), slice(120))]
)
def test_a_part_is_looked_at_and_the_whole_is_judged(metrics: Any, rows: slice, columns: slice) -> None:
    first = np.full((80, 120, 4), 255, np.uint8)
    first[..., :3] = picture(120, 80)[..., :1] // 2
    second = first.copy()
    second[rows, columns, :3] += 40
    _, similar = metrics.structural_similarity(
        first[..., 0] / 255, second[..., 0] / 255, win_size=7, data_range=1.0, full=True
    )
    found = compare(first, second, tolerance="perceptual=0.5")
    assert found.perceptual == pytest.approx((1 - similar).mean(), rel=1e-6)
    assert found.equal
    assert str(found).endswith(f"; perceptual difference {found.perceptual:.4f}")


def test_what_is_masked_and_what_is_transparent_is_not_seen(metrics: Any) -> None:
    first = np.full((40, 40, 4), 255, np.uint8)
    second = first.copy()
    second[20:30, 10:30, :3] = 0
    whole = compare(first, second, tolerance="perceptual=0").perceptual
    masked = compare(first, second, tolerance="perceptual=0", mask=(10, 20, 10, 10)).perceptual
    assert whole is not None
    assert masked is not None
    assert 0 < masked < whole
    second[..., 3] = 0
    unseen = compare(first, second, tolerance="perceptual=0")
    assert (unseen.equal, unseen.perceptual) == (True, 0)


@pytest.mark.usefixtures("metrics")
def test_the_limit_is_the_largest_difference_that_is_overlooked() -> None:
    first, second = picture(20, 20), picture(20, 20, seed=1)
    apart = compare(first, second, tolerance="perceptual=1").perceptual
    assert apart is not None
    assert not compare(first, second, tolerance=f"perceptual={apart * 0.99}").equal


@pytest.mark.usefixtures("metrics")
def test_a_picture_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(BadInput, match="a picture needs at least 7x7 pixels"):
        compare(picture(6, 9), picture(6, 9, seed=1), tolerance="perceptual=0.1")

"""How different pictures look: structural similarity (SSIM), by scikit-image.

Z. Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004).
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.compare.differing import Differing
from compositor.errors import BadInput

_WINDOW = 7  # pixels of a side; scikit-image's own choice


def structural_difference(found: Differing) -> float:
    """1 - SSIM of the brightness of two pictures of one size, over what is compared: 0 is the same.

    Where both pictures are equal SSIM is 1, so only the surroundings of differing pixels are looked at.

    Raises:
        BadInput: scikit-image is not installed.
    """
    try:
        metrics: Any = importlib.import_module("skimage.metrics")
    except ImportError:
        raise BadInput("tolerance perceptual needs scikit-image: pip install scikit-image") from None
    differs = found.beyond | found.forgiven
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    part = _around(rows, differs.shape[0]), _around(columns, differs.shape[1])
    if min(differs[part].shape) < _WINDOW:
        raise BadInput(f"tolerance perceptual: a picture needs at least {_WINDOW}x{_WINDOW} pixels")
    one, other = (_brightness(picture[part]) for picture in (found.first, found.second))
    if found.inside is not None:  # what is left out is the same
        other = np.where(found.inside[part], other, one)
    _, similar = metrics.structural_similarity(one, other, win_size=_WINDOW, data_range=1.0, full=True)
    lost = 1.0 - similar
    return float(lost.sum() if found.inside is None else lost[found.inside[part]].sum()) / found.compared


def _around(numbers: NDArray[np.int64], length: int) -> slice:
    """From the first to the last of them, and what a window that holds one of them reaches."""
    return slice(max(0, int(numbers[0]) - _WINDOW), min(length, int(numbers[-1]) + 1 + _WINDOW))


def _brightness(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Rec. 709's luma of colours before white, 0 to 1."""
    channels = pixels / np.iinfo(pixels.dtype).max
    seen = 1 + (channels[..., :3] - 1) * channels[..., 3:]
    luma: NDArray[np.float64] = seen @ np.array([0.2126, 0.7152, 0.0722])
    return luma

"""Where a picture lies in a window of another size."""

from __future__ import annotations

from compositor.pixels.geometry import EMPTY, Rect


def fit(picture: tuple[int, int], window: tuple[int, int]) -> Rect:
    """The part of the window that the picture fills: centred, undistorted, the rest stays black.

    Enlarged by whole numbers, so that all its pixels stay equal squares; reduced as far as needed.

    Args:
        picture: (width, height), pixels, both positive.
        window: As `picture`; a minimised window can have no pixels.
    """
    (width, height), (across, down) = picture, window
    if across <= 0 or down <= 0:
        return EMPTY
    factor = min(across // width, down // height)
    if factor:
        width, height = width * factor, height * factor
    elif across * height <= down * width:
        width, height = across, max(1, across * height // width)
    else:
        width, height = max(1, down * width // height), down
    return Rect((across - width) // 2, (down - height) // 2, width, height)

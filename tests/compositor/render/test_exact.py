import numpy as np

from compositor.pixels.format import PixelFormat
from compositor.render import exact


def test_over_is_right_for_every_channel_background_and_alpha() -> None:
    """All 2^24 of them, a slice of the alphas at a time: rounded to nearest, then saturated."""
    for alphas in np.array_split(np.arange(256), 16):
        alpha, background, colour = np.meshgrid(alphas, np.arange(256), np.arange(256), indexing="ij")
        shape = (alpha.shape[0], 256 * 256)
        target = np.zeros((*shape, 4), np.uint8)
        source = np.zeros((*shape, 4), np.uint8)
        target[..., 1] = background.reshape(shape)
        source[..., 1], source[..., 3] = colour.reshape(shape), alpha.reshape(shape)
        exact.over(target, source, PixelFormat.ARGB8888)
        kept = (2 * background * (255 - alpha) + 255) // 510
        np.testing.assert_array_equal(target[..., 1], np.minimum(colour + kept, 255).reshape(shape))
        assert (target[..., 3] == 255).all()


def test_large_images_are_blended_block_by_block() -> None:
    rng = np.random.default_rng(5)
    target, source = rng.integers(0, 256, (2, 70, 1000, 4), np.uint8)
    expected = target.copy()
    for y in range(70):
        exact.over(expected[y : y + 1], source[y : y + 1], PixelFormat.RGBA8888)
    exact.over(target, source, PixelFormat.RGBA8888)
    np.testing.assert_array_equal(target, expected)

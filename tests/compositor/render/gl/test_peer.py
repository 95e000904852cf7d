"""A peer that draws nothing would be fast."""

from typing import Any

import numpy as np
import pytest

from compositor.render.gl import Target
from compositor.render.gl.peer import PygletPicture


@pytest.mark.real
def test_pyglets_own_way_shows_the_picture(gl: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 4), np.uint8)
    target, picture = Target(gl, 32, 24), PygletPicture(32, 24)
    target.bind()
    picture.draw(pixels)
    np.testing.assert_array_equal(target.read()[..., :3], pixels[..., :3])
    picture.delete()
    target.delete()

import string

import numpy as np
import pytest

from guest.workloads.font import Font, font
from guest.workloads.glyphs import GLYPHS


def test_every_printable_character_has_a_glyph_of_its_own() -> None:
    letters = font(20)
    drawn = {character: letters.coverage(character).tobytes() for character in string.printable[:94]}
    assert len(set(drawn.values())) == 94
    assert all(any(picture) for picture in drawn.values())


@pytest.mark.parametrize("height", [1, 6, 13, 40])
def test_glyphs_stay_in_their_cells(height: int) -> None:
    letters = Font(height)
    assert letters.atlas.shape == (len(GLYPHS) + 1, height, max(height // 2, 1))


def test_a_line_is_its_characters_side_by_side() -> None:
    letters = font(16)
    line = letters.coverage("a b")
    assert line.shape == (16, 24)
    assert np.array_equal(line[:, :8], letters.coverage("a"))
    assert not line[:, 8:16].any()


def test_what_the_font_lacks_is_blank() -> None:
    assert not font(16).coverage("\t\u4e2d").any()


def test_bold_is_more_ink() -> None:
    assert font(20, bold=True).atlas.astype(int).sum() > font(20).atlas.astype(int).sum()

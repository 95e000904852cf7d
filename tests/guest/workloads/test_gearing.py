import numpy as np
import pytest

from guest.workloads.gearing import DISTANCE, PHASES, ROWS_PER_PIXEL, cut

GEAR = cut(teeth=24, holes=6, module=12.0)


def depth(radius: float, phase: float) -> float:
    """Pixels inside the material; radius in modules, phase of the pattern there."""
    return float(GEAR.depth[round(radius * 12 * ROWS_PER_PIXEL), round(phase * PHASES) % PHASES]) / DISTANCE


@pytest.mark.parametrize(
    ("radius", "phase", "inside"),
    [
        (12.5, 0.0, True),  # a tooth
        (12.5, 0.5, False),  # a gap
        (10.4, 0.5, True),  # below the gap
        (13.0, 0.0, False),  # above the tooth
        (0.2, 0.0, False),  # the bore
        (6.6, 0.0, False),  # a hole
        (6.6, 0.5, True),  # a spoke
    ],
)
def test_the_material_is_where_a_gear_has_it(radius: float, phase: float, inside: bool) -> None:
    assert (depth(radius, phase) > 0) is inside


def test_teeth_are_symmetric_and_narrower_at_the_tip() -> None:
    rows = GEAR.depth[round(GEAR.split * ROWS_PER_PIXEL) + 1 :]
    assert np.array_equal(rows[:, 1:], rows[:, :0:-1])
    widths = (rows > 0).sum(axis=1)
    assert widths[-20] < widths[round(len(rows) * 0.6)] < PHASES


def test_edges_face_outwards_at_the_tip_and_inwards_at_the_bore() -> None:
    tip = GEAR.facing[round(12.85 * 12 * ROWS_PER_PIXEL), 0]
    bore = GEAR.facing[round(1.8 * 12 * ROWS_PER_PIXEL), PHASES // 2]
    assert tip in {0, 65535}
    assert bore == 32768


def test_the_web_is_sunken_between_rim_and_hub() -> None:
    level = GEAR.level
    assert level[round(6.6 * 12 * ROWS_PER_PIXEL)] == 0
    assert level[round(2.5 * 12 * ROWS_PER_PIXEL)] == level[-1] == 1
    assert GEAR.relief.min() < 0 < GEAR.relief.max()

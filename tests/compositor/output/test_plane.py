import pytest

from compositor.errors import BadInput
from compositor.output.plane import DEFAULT_PLANES, PRIMARY_ONLY, Plane, PlaneBudget, PlaneKind
from compositor.pixels.format import PixelFormat


def test_the_default_is_a_primary_and_a_cursor() -> None:
    primary, cursor = DEFAULT_PLANES.planes
    assert (primary.kind, cursor.kind) == (PlaneKind.PRIMARY, PlaneKind.CURSOR)
    assert cursor.formats == {PixelFormat.ARGB8888}
    assert PRIMARY_ONLY.planes == (primary,)
    assert DEFAULT_PLANES.primary is primary


def test_overlays_are_counted() -> None:
    names = [plane.name for plane in PlaneBudget.of_counts(2, cursor=64).planes]
    assert names == ["primary", "overlay-0", "overlay-1", "cursor"]


PRIMARY = Plane("primary", PlaneKind.PRIMARY)
OVER = Plane("o", PlaneKind.OVERLAY, zpos=(1, 1))


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        ((), "0 of the kind primary; there must be 1 to 1"),
        ((PRIMARY, Plane("second", PlaneKind.PRIMARY)), "2 of the kind primary"),
        (
            (PRIMARY, *(Plane(str(n), PlaneKind.CURSOR, zpos=(9, 9)) for n in range(2))),
            "2 of the kind cursor",
        ),
        ((PRIMARY, OVER, OVER), "the names primary, o, o are not different"),
        ((Plane("p", PlaneKind.PRIMARY, zpos=(0, 3)),), 'plane "p": zpos 0 to 3'),
        ((PRIMARY, Plane("o", PlaneKind.OVERLAY)), 'plane "o": zpos 0 to 0'),
        ((PRIMARY, Plane("o", PlaneKind.OVERLAY, zpos=(3, 2))), 'plane "o": zpos 3 to 2'),
        (
            (PRIMARY, Plane("o", PlaneKind.OVERLAY, zpos=(1, 1), scale=(2, 4))),
            "scale 2 to 4 does not include",
        ),
        ((PRIMARY, Plane("o", PlaneKind.OVERLAY, frozenset(), (1, 1))), "formats are empty"),
        ((PRIMARY, Plane("c", PlaneKind.CURSOR, zpos=(1, 1), max_size=(0, 4))), "max_size"),
    ],
)
def test_impossible_planes_are_refused_by_name(planes: tuple[Plane, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        PlaneBudget(planes)


@pytest.mark.parametrize("overlays", [-1, 17])
def test_there_is_a_limit_to_overlays(overlays: int) -> None:
    with pytest.raises(BadInput, match=f"{overlays} overlays are not in 0 to 16"):
        PlaneBudget.of_counts(overlays)

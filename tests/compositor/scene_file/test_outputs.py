"""What an output can do has a key in a scene file."""

import inspect

from msgspec import structs

from compositor.output.output import Output
from compositor.output.pacing import Pacing
from compositor.output.plane import PlaneKind
from compositor.scene_file.outputs import make_outputs
from compositor.scene_file.read import parse_scene
from compositor.scene_file.schema import OutputTable

PLANES = {"overlays", "cursor_size"}
"""The keys that say which planes there are."""

EVERYTHING = """
[[outputs]]
name = "hdmi"
mode = "64x48@60"
modes = ["64x48@60", "80x60@60"]
position = [10, 20]
background = "#010203"
plugged = false
direct_scanout = false
pacing = "triple=0.5"
variable_refresh = [47.5, 144]
overlays = 3
cursor_size = 64
linear_light = true
"""


def test_every_argument_of_an_output_has_a_key_and_there_are_no_other_keys() -> None:
    arguments = set(inspect.signature(Output).parameters)
    keys = {field.name for field in structs.fields(OutputTable)}
    assert keys - PLANES | {"planes"} == arguments


def test_every_key_reaches_the_output() -> None:
    (output,) = parse_scene(EVERYTHING, "scene.toml").outputs
    assert (output.name, str(output.mode), output.position) == ("hdmi", "64x48@60", (10, 20))
    assert [str(mode) for mode in output.modes] == ["64x48@60", "80x60@60"]
    assert (output.background, output.linear_light) == (0x010203, True)
    assert (output.plugged, output.direct_scanout) == (False, False)
    assert output.pacing == Pacing(margin_ns=500_000, frames=2)
    assert output.variable_refresh is not None
    assert (output.variable_refresh.min_mhz, output.variable_refresh.max_mhz) == (47_500, 144_000)
    (cursor,) = output.planes.of(PlaneKind.CURSOR)
    assert (len(output.planes.of(PlaneKind.OVERLAY)), cursor.max_size) == (3, (64, 64))


def test_a_display_engine_may_have_no_cursor_plane() -> None:
    (output,) = make_outputs([OutputTable(cursor_size=0)])
    assert output.planes.of(PlaneKind.CURSOR) == ()


def test_a_table_that_says_nothing_is_an_output_like_any() -> None:
    (output,) = make_outputs([OutputTable()])
    plain = Output("1024x768@60")
    for name in ("pacing", "variable_refresh", "planes", "linear_light", "direct_scanout", "background"):
        assert getattr(output, name) == getattr(plain, name)

"""What an output can do has an option, which holds for the outputs of scenes too."""

from pathlib import Path

import pytest
import typer

from compositor.cli import app
from compositor.commands.monitors import monitors
from compositor.commands.options import RunOptions
from compositor.commands.replay import replay
from compositor.commands.scenes import run_scene
from compositor.errors import BadInput
from compositor.output.output import Output
from compositor.output.pacing import Pacing
from compositor.output.plane import PlaneBudget, PlaneKind

EVERYTHING = RunOptions(
    outputs="64x48@60,80x60@60",
    pacing="window=4",
    variable_refresh="48-144",
    overlays=2,
    linear_light=True,
)


def test_the_options_hold_for_every_output() -> None:
    outputs = monitors(EVERYTHING)
    assert [str(output.mode) for output in outputs] == ["64x48@60", "80x60@60"]
    for output in outputs:
        assert output.pacing == Pacing(window_ns=4_000_000)
        assert output.variable_refresh is not None
        assert (output.variable_refresh.min_mhz, output.variable_refresh.max_mhz) == (48_000, 144_000)
        assert len(output.planes.of(PlaneKind.OVERLAY)) == 2
        assert output.linear_light


def test_they_hold_for_the_outputs_of_a_scene_and_leave_the_rest_of_them_alone() -> None:
    scene = Output("32x32@30", name="own", planes=PlaneBudget.of_counts(1), background=5)
    (output,) = monitors(RunOptions(pacing="adaptive"), [scene])
    assert output is scene
    assert output.pacing == Pacing()
    assert (output.name, str(output.mode), output.background) == ("own", "32x32@30", 5)
    assert len(output.planes.of(PlaneKind.OVERLAY)) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pacing": "soon"}, '--pacing: pacing "soon": use delay=MS, window=MS, adaptive or triple'),
        ({"pacing": "window=17"}, "--pacing window=17: window_ns 17000000 is not in 0 to"),
        ({"variable_refresh": "48"}, "--variable-refresh 48: not of the form HZ-HZ, as in 48-144"),
        ({"variable_refresh": "90-40"}, "--variable-refresh 90-40: variable refresh from 90 to 40 Hz: must"),
        ({"overlays": 17}, "--overlays 17: planes: 17 overlays are not in 0 to 16"),
        ({"overlays": -1}, "--overlays -1: planes: -1 overlays are not in 0 to 16"),
        ({"overlays": 1, "window": True}, "--overlays with --window: a window shows one picture"),
        ({"outputs": "64x48,x"}, 'mode "x" is not of the form WIDTHxHEIGHT@HZ'),
    ],
)
def test_nonsense_is_refused_before_anything_starts(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        RunOptions(**options).check()  # type: ignore[arg-type]
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("options", [{"pacing": "adaptive"}, {"overlays": 2}, {"linear_light": True}])
def test_commands_with_outputs_of_their_own_refuse_the_options(options: dict[str, object]) -> None:
    run, option = RunOptions(**options), "--" + next(iter(options)).replace("_", "-")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=f"{option}: a replay has the outputs of its recording"):
        replay(Path("none"), run)
    with pytest.raises(BadInput, match="sync-study runs on the virtual clock"):
        run_scene("sync-study", run)


@pytest.mark.parametrize("name", ["demo", "run", "serve", "boot uml", "boot qemu", "replay"])
def test_every_running_command_takes_them(name: str) -> None:
    command = typer.main.get_command(app)
    for part in name.split():
        assert isinstance(command, typer.core.TyperGroup)
        command = command.commands[part]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--pacing", "--variable-refresh", "--overlays", "--linear-light", "--renderer"} < options

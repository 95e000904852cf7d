"""What the garbage collector need not look at while guests run in real time."""

import gc

from compositor.adapter.placement import Placement
from compositor.commands.options import RunOptions
from compositor.commands.pauses import short_pauses
from compositor.commands.session import run_session
from compositor.machine import Machine
from guest.simulated import SimulatedGuest

MANY = 50_000  # objects; the modules of this package and of numpy alone are more


def test_collections_do_not_look_at_what_there_was_at_the_first_frame_of_a_run_in_real_time() -> None:
    frozen: dict[str, list[int]] = {"real": [], "virtual": []}

    async def start(machine: Machine) -> None:
        await machine.attach(SimulatedGuest("plasma", memory=4 << 20))
        machine.listen(0, lambda _frame: frozen[str(machine.stats()["clock"])].append(gc.get_freeze_count()))

    for clock in ("real", "virtual"):
        run_session(RunOptions(outputs="64x48@60", frames=3), start, clock=clock)
    assert all(count > MANY for count in frozen["real"])
    assert frozen["real"] == sorted(frozen["real"], reverse=True), (
        "once: what the guests of a long run leave is collected"
    )
    assert set(frozen["virtual"]) == {0}
    assert gc.get_freeze_count() == 0, "the run is over"


async def test_any_output_shows_the_first_frame() -> None:
    async with Machine(outputs=["64x48@60"] * 2, digest=False) as machine:
        with short_pauses(machine):
            await machine.run(seconds=0.1)
            assert gc.get_freeze_count() == 0, "no frame was shown"
            await machine.attach(SimulatedGuest("plasma", memory=4 << 20), [Placement(output=1)])
            await machine.run(seconds=0.1)
            assert gc.get_freeze_count() > MANY
        assert gc.get_freeze_count() == 0

import pytest

from guest.process import GuestTask, ProcessGuest
from virtio.errors import Misuse


@pytest.mark.parametrize("size", [None, (640, 480)])
def test_a_task_survives_the_command_line(size: tuple[int, int] | None) -> None:
    task = GuestTask(socket="/a b/c", workload="plasma", seed=3, size=size, frames=9)
    assert GuestTask.from_json(task.to_json()) == task


def test_a_task_describes_its_guest() -> None:
    guest = GuestTask(socket="x", workload="plasma", sync="queue", render_ns=5).describe()
    assert (guest.name, guest.sync, guest.render_ns) == ("plasma", "queue", 5)
    assert GuestTask(socket="x", workload="plasma", name="left").describe().name == "left"


def test_what_makes_no_sense_is_refused_before_there_is_a_process() -> None:
    with pytest.raises(Misuse, match="no workload 'pong'"):
        ProcessGuest("pong")
    with pytest.raises(Misuse, match="sync='never'"):
        ProcessGuest("gears", sync="never")
    with pytest.raises(Misuse, match=r"ProcessGuest has no option 'colour'"):
        ProcessGuest("gears", colour="red")


def test_only_a_guest_without_a_seed_takes_the_machines() -> None:
    guest, seeded = ProcessGuest("gears"), ProcessGuest("gears", seed=0)
    guest.with_seed(9)
    seeded.with_seed(9)
    assert (guest.task.seed, seeded.task.seed) == (9, 0)

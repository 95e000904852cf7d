from __future__ import annotations

from typing import TYPE_CHECKING

from virtio.turn import COMMAND, COMMANDS, ENDLESS, STEP, CountedTurn, TimedTurn, finish

if TYPE_CHECKING:
    from virtio.turn import Steps


def test_a_turn_of_counted_work_is_over_when_that_is_done() -> None:
    turn = CountedTurn()
    for _ in range(COMMANDS):
        assert not turn.over()
        turn.over(COMMAND)
    assert turn.over()


def test_steps_count_for_less_than_commands() -> None:
    turn = CountedTurn(COMMAND)
    for _ in range(COMMAND - 1):
        assert not turn.over(STEP)
    assert turn.over(STEP)


def test_a_timed_turn_is_over_when_its_time_has_come_whatever_was_done() -> None:
    now_s = [5.0]
    turn = TimedTurn(lambda: now_s[0], 5.002)
    assert not turn.over(1000 * COMMAND)
    now_s[0] = 5.002
    assert turn.over()


def test_an_endless_turn_is_never_over() -> None:
    assert not ENDLESS.over(1 << 40)


def test_steps_are_taken_to_the_end() -> None:
    taken = []

    def steps() -> Steps[str]:
        for number in range(3):
            taken.append(number)
            yield
        return "done"

    assert finish(steps()) == "done"
    assert taken == [0, 1, 2]

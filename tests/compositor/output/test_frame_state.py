import itertools

import pytest

from compositor.errors import Misuse
from compositor.output.frame_state import TRANSITIONS, FrameEvent, FrameState, advance

LEGAL = [
    (FrameState.IDLE, FrameEvent.CHANGED, FrameState.NEEDS_FRAME),
    (FrameState.IDLE, FrameEvent.SKIPPED, FrameState.IDLE),
    (FrameState.NEEDS_FRAME, FrameEvent.CHANGED, FrameState.NEEDS_FRAME),
    (FrameState.NEEDS_FRAME, FrameEvent.COMMITTED, FrameState.PRESENTED),
    (FrameState.NEEDS_FRAME, FrameEvent.SKIPPED, FrameState.IDLE),
    (FrameState.PRESENTED, FrameEvent.CHANGED, FrameState.NEEDS_FRAME),
    (FrameState.PRESENTED, FrameEvent.SKIPPED, FrameState.IDLE),
]


@pytest.mark.parametrize(("state", "event", "result"), LEGAL)
def test_a_frame_lives_as_the_table_says(state: FrameState, event: FrameEvent, result: FrameState) -> None:
    assert advance(state, event) is result


def test_everything_else_is_refused_by_name() -> None:
    legal = {(state, event) for state, event, _ in LEGAL}
    assert legal == set(TRANSITIONS)
    for state, event in itertools.product(FrameState, FrameEvent):
        if (state, event) not in legal:
            with pytest.raises(Misuse, match=f"{event.value} while it is {state.value}"):
                advance(state, event)

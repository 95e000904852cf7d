"""What becomes of a submission, told by its surface and by the outputs that show it."""

import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.output.submission import Discarded, Feedback, PresentationFlags, Presented, Submission

NUMBER = 7
SHOWN = Presented(NUMBER, 5, 20, 4, PresentationFlags.VSYNC, 1)
DROPPED = Discarded(NUMBER)

Step = tuple[str, list[object]]
"""What happens to it, and what its owner hears of that."""


def submission(heard: list[Any]) -> Submission:
    return Submission("guest-0", NUMBER, lambda: heard.append("latched"), heard.append)


def advance(subject: Submission, step: str) -> None:
    if step == "presented":
        subject.presented(SHOWN)
    else:
        getattr(subject, step)()


def quiet(*steps: str) -> list[Step]:
    return [(step, []) for step in steps]


LIVES: dict[str, list[Step]] = {
    "no output": [("handed_out", [DROPPED])],
    "presented": [*quiet("join", "handed_out"), ("latched", ["latched"]), ("presented", [SHOWN])],
    "superseded": [*quiet("join", "handed_out"), ("superseded", [DROPPED])],
    "its monitor went away": [
        *quiet("join", "handed_out"),
        ("latched", ["latched"]),
        ("discarded", [DROPPED]),
    ],
    "presented within the hand-out": [
        *quiet("join", "latched", "presented"),
        ("handed_out", ["latched", SHOWN]),
    ],
    "latched within the hand-out": [
        *quiet("join", "latched"),
        ("handed_out", ["latched"]),
        ("presented", [SHOWN]),
    ],
    "superseded within the hand-out": [*quiet("join", "superseded"), ("handed_out", [DROPPED])],
    "presented by the first output before the second has it": [
        *quiet("join", "latched", "presented", "join", "handed_out"),
        ("latched", ["latched"]),
        ("presented", [SHOWN]),
    ],
    "two outputs": [
        *quiet("join", "join", "handed_out", "latched"),
        ("latched", ["latched"]),
        ("presented", []),
        ("presented", [SHOWN]),
    ],
    "one output is a frame ahead": [
        *quiet("join", "join", "handed_out", "latched", "presented"),
        ("latched", ["latched"]),
        ("presented", [SHOWN]),
    ],
    "superseded on both": [*quiet("join", "join", "handed_out", "superseded"), ("superseded", [DROPPED])],
    "superseded on one": [
        *quiet("join", "join", "handed_out", "superseded"),
        ("latched", ["latched"]),
        ("presented", [SHOWN]),
    ],
    "superseded on one that is late": [
        *quiet("join", "join", "handed_out", "latched", "presented"),
        ("superseded", ["latched", SHOWN]),
    ],
    "one monitor went away, first": [
        *quiet("join", "join", "handed_out", "latched"),
        ("latched", ["latched"]),
        ("discarded", []),
        ("presented", [SHOWN]),
    ],
    "one monitor went away, last": [
        *quiet("join", "join", "handed_out", "latched"),
        ("latched", ["latched"]),
        ("presented", []),
        ("discarded", [SHOWN]),
    ],
    "its monitor went away within the hand-out": [
        *quiet("join", "latched", "discarded"),
        ("handed_out", [DROPPED]),
    ],
    "an output comes later": [
        *quiet("join", "handed_out", "join", "superseded"),
        ("latched", ["latched"]),
        ("presented", [SHOWN]),
    ],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_a_submission_lives_as_the_table_says(life: list[Step]) -> None:
    heard: list[object] = []
    subject = submission(heard)
    for number, (step, news) in enumerate(life):
        assert not subject.answered
        heard.clear()
        advance(subject, step)
        assert heard == news, f"step {number}: {step}"
    assert subject.answered
    assert not subject.waiting


def test_it_waits_until_all_its_outputs_have_latched_it() -> None:
    subject = submission([])
    assert subject.waiting
    for step in ("join", "join", "handed_out", "latched"):
        advance(subject, step)
        assert subject.waiting
    subject.latched()
    assert not subject.waiting
    assert not subject.answered


def test_two_outputs_say_what_holds_for_both_and_when_the_last_one_showed_it() -> None:
    heard: list[Feedback] = []
    subject = Submission("guest-0", NUMBER, lambda: None, heard.append)
    for step in ("join", "join", "handed_out", "latched", "latched"):
        advance(subject, step)
    vsync, clock, copied = PresentationFlags.VSYNC, PresentationFlags.HW_CLOCK, PresentationFlags.ZERO_COPY
    subject.presented(Presented(NUMBER, 5, 20, 4, vsync | copied, 1))
    subject.presented(Presented(NUMBER, 9, 10, 8, vsync | clock, 3))
    assert heard == [Presented(NUMBER, 9, 10, 8, vsync, 3)]


def test_it_may_be_presented_within_the_call_that_says_it_was_latched() -> None:
    heard: list[Feedback] = []
    subject = Submission("guest-0", NUMBER, lambda: subject.presented(SHOWN), heard.append)
    for step in ("join", "handed_out", "latched"):
        advance(subject, step)
    assert heard == [SHOWN]


ENDS = {"superseded": ["superseded"], "presented": ["latched", "presented"], "gone": ["latched", "discarded"]}


@given(st.lists(st.sampled_from([*ENDS]), max_size=4), st.randoms())
def test_it_is_answered_once_whatever_the_order(ends: list[str], random: Any) -> None:
    heard: list[object] = []
    subject = submission(heard)
    lives = [["handed_out"], *(list(ENDS[end]) for end in ends)]
    for _ in ends:
        subject.join()
    turns = [life for life in lives for _ in life]
    random.shuffle(turns)
    for turn in turns:
        assert not subject.answered
        advance(subject, turn.pop(0))
    told = heard.pop(0) if heard[0] == "latched" else None
    assert heard == [SHOWN if "presented" in ends else DROPPED]
    assert told is not None or "presented" not in ends, "what is presented was latched"


def test_once_answered_it_does_not_hold_its_owner() -> None:
    """An owner that has its submission is no cycle: its buffer goes without the garbage collector."""

    class Owner:
        def __init__(self) -> None:
            self.submission = Submission("guest-0", NUMBER, self.latched, self.answered)

        def latched(self) -> None: ...

        def answered(self, feedback: Feedback) -> None: ...

    owner = Owner()
    alive, subject = weakref.ref(owner), owner.submission
    del owner
    subject.join()
    subject.handed_out()
    assert alive() is not None
    subject.latched()
    subject.presented(SHOWN)
    assert alive() is None

"""A guest says on its console that its picture is up: on the virtual clock, at a defined moment."""

from collections.abc import Callable
from typing import cast

import pytest

from compositor.machine.attachment.served import _FinalPicture, _TextSeen
from guest.linux.process import GuestProcess


class Printed:
    """A process whose console has text that nothing has read yet."""

    def __init__(self, echo: Callable[[str], None], text: str) -> None:
        self._echo, self._text = echo, text

    def read_console(self) -> None:
        text, self._text = self._text, ""
        if text:
            self._echo(text)


@pytest.mark.parametrize("heard_before", ["", "pattern: is", "pattern: is up\n"])
def test_a_line_heard_before_the_guest_waits_or_only_then_ends_the_run_at_the_same_moment(
    heard_before: str,
) -> None:
    said: list[str] = []
    final = _FinalPicture(lambda: said.append("up"))
    console = _TextSeen(lambda _text: None, "is up", final.hear)
    if heard_before:
        console(heard_before)
    assert said == []
    process = cast(GuestProcess, Printed(console, "pattern: is up\n".removeprefix(heard_before)))
    final.guest_waits(process)
    assert said == ["up"]
    final.guest_waits(process)
    assert said == ["up"]

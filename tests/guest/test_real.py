from pathlib import Path

import pytest

from guest import QemuGuest, UmlGuest
from virtio.errors import Misuse


@pytest.mark.parametrize("kind", [UmlGuest, QemuGuest])
def test_a_session_needs_no_program_and_takes_none(kind: type[UmlGuest] | type[QemuGuest]) -> None:
    complaint = "^a session guest runs what its `run` is given, one after the other: give no program$"
    with pytest.raises(Misuse, match=complaint):
        kind("pageflip", session=True)
    with pytest.raises(Misuse, match=complaint):
        kind(command=["echo"], session=True)
    assert kind(session=True).argv == ()


def test_the_options_say_so(tmp_path: Path) -> None:
    programs = (Path("/usr/bin/env"),)
    options = QemuGuest(session=True, host_programs=programs, kernel=tmp_path).options()
    assert (options.session, options.needs_init, options.host_programs) == (True, True, programs)
    assert not QemuGuest(initrd=tmp_path, kernel=tmp_path).options().needs_init


def test_the_programs_that_ship_are_named() -> None:
    assert "pageflip" in UmlGuest.programs
    assert not {"init", "agent"} & set(UmlGuest.programs)

import pytest

from guest.linux.agent import CommandResult
from guest.linux.errors import CommandFailed


def result(status: int, stdout: bytes = b"", stderr: bytes = b"") -> CommandResult:
    return CommandResult(["modetest", "-M", "a b"], status, stdout, stderr, 1_000_000, 3_500_000)


def test_a_success_passes_its_check() -> None:
    good = result(0, b"text", "ü".encode())
    assert good.check() is good
    assert (good.stdout, good.stderr, good.seconds) == ("text", "ü", 0.0025)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (result(3), "modetest -M 'a b': exited with status 3"),
        (result(-9, b"so far\n"), "modetest -M 'a b': was ended by SIGKILL: so far"),
        (result(-77), "modetest -M 'a b': was ended by signal 77"),
        (result(1, b"out\n", b"\none\n  two  \n\n"), "modetest -M 'a b': exited with status 1: one | two"),
        (result(1, b"\x00\xff\x1b[2J"), r"modetest -M 'a b': exited with status 1: \x00\xff\x1b[2J"),
        (result(1, b"1\n2\n3\n4\n5\n6\n7\n"), "modetest -M 'a b': exited with status 1: 3 | 4 | 5 | 6 | 7"),
    ],
)
def test_a_failure_says_how_and_its_last_words_in_one_line(bad: CommandResult, message: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        bad.check()
    assert str(caught.value) == message
    assert (caught.value.stdout, caught.value.stderr) == (bad.stdout_bytes, bad.stderr_bytes)


def test_bytes_that_are_no_text_are_shown_by_their_number() -> None:
    assert result(0, b"a\xffb").stdout == r"a\xffb"

import pytest

from guest.linux.console import Console


def console(*pieces: bytes, limit: int = 1000) -> Console:
    made = Console(limit=limit)
    for piece in pieces:
        made.feed(piece)
    return made


def test_text_comes_without_the_codes_of_a_terminal() -> None:
    assert console(b"\x1bc\x1b[?7l\x1b[2Jone\r\n\x1b[0;1mtwo\x1b[0m\r\n").text == "one\ntwo\n"


def test_a_character_may_come_in_two_pieces() -> None:
    assert console("ä".encode()[:1], "ä".encode()[1:]).text == "ä"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert console(b"a\xff\xfeb").text == "a\ufffd\ufffdb"


def test_no_more_than_the_end_is_kept() -> None:
    endless = console(*[b"0123456789"] * 1000, limit=25)
    assert endless.text == "5678901234567890123456789"


def test_the_echo_hears_everything_at_once() -> None:
    heard: list[str] = []
    made = Console(heard.append, limit=3)
    made.feed(b"one\r\n")
    made.feed(b"two")
    assert heard == ["one\r\n", "two"]


def test_last_lines_are_those_that_say_something() -> None:
    assert console(b"one\n\ntwo\n \nthree\n\n").last_lines(2) == "two\nthree"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"", None),
        (b"scanout: program exi", None),
        (b"scanout: program exited 0\n[    4.1] reboot: Power down\n", 0),
        (b"scanout: program exited 3\r\n", 3),
        (b"scanout: program killed by signal 11\n", -11),
        (b"scanout: program exited 3\nscanout: program exited 0\n", 0),
    ],
)
def test_how_the_program_ended(text: bytes, status: int | None) -> None:
    assert console(text).program_status == status


def test_a_panic_is_seen() -> None:
    assert console(b"[    4.0] Kernel panic - not syncing: VFS: Unable to mount root fs\n").panicked
    assert not console(b"all is well\n").panicked


@pytest.mark.parametrize("words", [b"[1.2] reboot: Power down\n", b"reboot: System halted\r\n"])
def test_that_the_machine_is_off_is_told_once(words: bytes) -> None:
    told = []
    made = Console()
    made.on_switch_off = lambda: told.append("off")
    made.feed(words[:12])
    assert (told, made.switched_off) == ([], False)
    made.feed(words[12:] + words)
    made.feed(words)
    assert (told, made.switched_off) == (["off"], True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one\ntwo\n \n", "two"),
        ("hello\nscanout: program exited 3\nreboot: Power down\n", "hello"),
        ("scanout: program exited 3\nreboot: Power down\n", ""),
        ("", ""),
    ],
)
def test_the_last_words_are_the_programs_not_the_kernels(text: str, words: str) -> None:
    assert console(text.encode()).last_words == words

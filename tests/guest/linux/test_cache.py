import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from guest.linux.cache import cache_dir, cached, content_key, remake
from virtio.errors import ScanoutError


def write(text: str) -> Callable[[Path], Path]:
    def make(scratch: Path) -> Path:
        (scratch / "made").write_text(text)
        return scratch / "made"

    return make


def test_the_cache_is_where_the_user_says(cache: Path) -> None:
    assert cache_dir("a", "b") == cache / "a" / "b"
    assert (cache / "a" / "b").is_dir()


def test_without_a_word_it_is_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "scanout"


def test_a_cache_that_cannot_be_made_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ScanoutError, match="set XDG_CACHE_HOME to a writable one"):
        cache_dir()


def test_a_thing_is_made_once() -> None:
    target = cache_dir() / "thing"
    assert cached(target, write("first")) == target
    cached(target, write("second"))
    assert target.read_text() == "first"


def test_remaking_replaces_it() -> None:
    target = cache_dir() / "thing"
    remake(target, write("first"))
    remake(target, write("second"))
    assert target.read_text() == "second"


def test_what_fails_leaves_nothing_behind() -> None:
    def fail(scratch: Path) -> Path:
        (scratch / "half").touch()
        raise ScanoutError("no")

    target = cache_dir() / "thing"
    with pytest.raises(ScanoutError):
        cached(target, fail)
    assert [path.name for path in target.parent.iterdir()] == [".thing.lock"]


def test_what_a_killed_process_left_is_no_hindrance() -> None:
    target = cache_dir() / "thing"
    left = target.with_name(".thing.making")
    left.mkdir()
    (left / "half").touch()
    cached(target, lambda scratch: write(str(list(scratch.iterdir())))(scratch))
    assert target.read_text() == "[]"
    assert not left.exists()


def test_two_makers_at_once_make_it_once() -> None:
    target = cache_dir() / "thing"
    inside, go_on = threading.Event(), threading.Event()
    made: list[str] = []

    def make(scratch: Path) -> Path:
        made.append(threading.current_thread().name)
        inside.set()
        go_on.wait()
        return write("x")(scratch)

    threads = [threading.Thread(target=cached, args=(target, make)) for _ in range(2)]
    threads[0].start()
    inside.wait()
    threads[1].start()  # waits for the first one's lock, whenever it gets there
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_keys_tell_contents_and_their_borders_apart() -> None:
    keys = [content_key("ab", "c"), content_key("a", "bc"), content_key("abc"), content_key(b"ab", "c", "")]
    assert len(set(keys)) == 4
    assert content_key(b"ab", "c") == keys[0]

"""The suite of screenshot tests that `scanout bench suite` measures: it checks, and fails when it should."""

from pathlib import Path

import pytest

from compositor.bench import suite
from compositor.compare import load_png, write_golden
from compositor.errors import RunFailed


def test_the_suite_checks_its_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "FILES", 1)
    monkeypatch.setattr(suite, "TESTS_IN_A_FILE", 2)
    suite.make(tmp_path)
    assert suite.measure(tmp_path, "--update-screenshots") > 0
    goldens = sorted(tmp_path.glob("golden/test_00/*.png"))
    assert [path.name for path in goldens] == ["test_it--0-gears.png", "test_it--0-plasma.png"]
    picture = load_png(goldens[0]).copy()
    assert picture.shape == (480, 640, 4)
    picture[0, 0, 0] ^= 1
    write_golden(goldens[0], picture)
    with pytest.raises(RunFailed, match=r"(?s)the suite failed: .*1 of 307200 pixels differ.*1 passed"):
        suite.measure(tmp_path)

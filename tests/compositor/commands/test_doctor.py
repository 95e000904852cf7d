"""What `scanout doctor` says about the renderer."""

import json
from types import SimpleNamespace

import pytest

from compositor.commands import doctor
from compositor.render import blend


def test_the_cache_of_compiled_kernels_is_named() -> None:
    pytest.importorskip("numba")
    assert (doctor.kernels().found or "").endswith("__pycache__")


def test_it_is_said_when_numpy_blends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blend, "load", lambda: None)
    finding = doctor.kernels()
    assert finding.found is None
    assert "pip install numba" in finding.remedy


def test_it_is_said_when_every_process_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    uncached = SimpleNamespace(compose=SimpleNamespace(stats=SimpleNamespace(cache_path=None)))
    monkeypatch.setattr(blend, "load", lambda: uncached)
    finding = doctor.kernels()
    assert finding.found is None
    assert "NUMBA_CACHE_DIR" in finding.remedy


def test_another_distribution_with_one_of_our_names_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.names().found == "virtio, guest, compositor"
    owners = {"guest": ["scanout", "guestbook"], "virtio": ["scanout"]}
    monkeypatch.setattr(doctor, "packages_distributions", lambda: owners)
    finding = doctor.names()
    assert finding.found is None
    assert finding.remedy == "'guest' comes from guestbook, too: uninstall it"


@pytest.mark.parametrize("as_json", [False, True])
def test_an_extra_in_brackets_is_text(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = doctor.Finding("a", "b", None, 'pip install ".[x]"')
    monkeypatch.setattr(doctor, "examine", lambda: iter([missing]))
    doctor.doctor(as_json=as_json)
    out = capsys.readouterr().out
    assert ".[x]" in out
    if as_json:
        assert json.loads(out) == [missing._asdict()]

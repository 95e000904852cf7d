from pathlib import Path

import pytest

from guest.linux import preparation
from guest.linux.options import GuestOptions, QemuOptions, UmlOptions
from guest.linux.preparation import prepare


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was fetched or compiled."""
    log: list[str] = []
    monkeypatch.setattr(
        preparation, "compile_program", lambda name, architecture: log.append(f"{name} {architecture}")
    )
    monkeypatch.setattr(
        preparation, "stock_kernel", lambda architecture, _: log.append(f"kernel {architecture}")
    )
    monkeypatch.setattr("os.uname", lambda: type("Uname", (), {"machine": "here"}))
    return log


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        (UmlOptions(kernel=Path("k"), command=("pageflip",)), ["init here", "pageflip here"]),
        (UmlOptions(kernel=Path("k"), command=("/bin/sh",)), ["init here"]),
        (UmlOptions(kernel=Path("k"), root=Path("/")), []),
        (
            UmlOptions(kernel=Path("k"), session=True),
            ["init here", "agent here", "pageflip here", "pattern here", "hotplug here"],
        ),
        (QemuOptions(command=("pattern",)), ["kernel x86_64", "init x86_64", "pattern x86_64"]),
        (QemuOptions(initrd=Path("i"), architecture="aarch64"), ["kernel aarch64"]),
        (QemuOptions(initrd=Path("i"), kernel=Path("k")), []),
    ],
)
def test_what_takes_long_is_done_beforehand(
    done: list[str], options: GuestOptions, needed: list[str]
) -> None:
    prepare(options)
    assert done == needed

from pathlib import Path

import pytest

from guest.linux.errors import KernelUnusable, ToolFailed
from guest.linux.kernel import Module, stock, stock_kernel


class FakeSuite:
    depends = ("linux-base-arm64", "linux-image-6.1.0-50-arm64")
    fetched: list[str]

    def __init__(self, name: str, architecture: str, progress: object) -> None:
        self.name, self.architecture, self.progress = name, architecture, progress

    def dependencies(self, package: str) -> list[str]:
        assert package == f"linux-image-{self.architecture}"
        return list(self.depends)

    def fetch(self, package: str, into: Path) -> Path:
        self.fetched.append(package)
        return into / "linux.deb"


def unpack(deb: Path, into: Path) -> None:
    modules = into / "lib" / "modules" / "6.1.0-50-arm64" / "kernel"
    modules.mkdir(parents=True)
    (into / "boot").mkdir()
    (into / "boot" / "vmlinuz-6.1.0-50-arm64").write_bytes(b"MZ image")
    for name, depends in (("drm", b""), ("drm_kms_helper", b"drm"), ("virtio_gpu", b"drm_kms_helper,drm")):
        (modules / f"{name}.ko").write_bytes(b"\0depends=" + depends + b"\0" + name.encode())
    (modules / "sound.ko").write_bytes(b"")


@pytest.fixture(autouse=True)
def archive(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSuite.fetched = []
    monkeypatch.setattr(stock, "Suite", FakeSuite)
    monkeypatch.setattr(stock, "unpack", unpack)


def test_the_image_and_the_modules_of_a_display(cache: Path) -> None:
    kernel = stock_kernel("aarch64")
    assert kernel.image.read_bytes() == b"MZ image"
    assert [module.path.name for module in kernel.modules] == ["drm.ko", "drm_kms_helper.ko", "virtio_gpu.ko"]
    kept = [path.name for path in kernel.image.parent.iterdir()]
    assert sorted(kept) == ["drm.ko", "drm_kms_helper.ko", "image", "load-order", "virtio_gpu.ko"]
    assert cache in kernel.image.parents


def test_no_text_console_takes_the_display() -> None:
    kernel = stock_kernel("aarch64")
    assert kernel.modules[1] == Module(kernel.modules[1].path, "fbdev_emulation=0")
    assert kernel.modules[0].parameters == ""


def test_it_is_fetched_once() -> None:
    assert stock_kernel("aarch64") == stock_kernel("aarch64")
    assert FakeSuite.fetched == ["linux-image-6.1.0-50-arm64"]


def test_an_empty_package_that_names_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSuite, "depends", ("linux-base",))
    with pytest.raises(ToolFailed, match="Debian bookworm: linux-image-amd64 names no kernel"):
        stock_kernel("x86_64")


def test_a_package_without_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "unpack", lambda deb, into: into.mkdir())
    with pytest.raises(KernelUnusable, match="0 images and 0 module trees"):
        stock_kernel("x86_64")

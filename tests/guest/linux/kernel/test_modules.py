import lzma
from pathlib import Path

import pytest

from guest.linux.kernel.modules import load_order


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    def module(path: str, depends: str) -> None:
        data = b"\x7fELF...\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(lzma.compress(data) if path.endswith(".xz") else data)

    module("kernel/drivers/virtio/virtio.ko", "virtio_ring")
    module("kernel/drivers/virtio/virtio_ring.ko", "")
    module("kernel/gpu/virtio-gpu.ko", "drm,drm-kms-helper,virtio,virtio_ring")
    module("kernel/gpu/drm.ko.xz", "built_in")
    module("kernel/gpu/drm_kms_helper.ko.xz", "drm")
    return tmp_path


def test_every_module_comes_after_what_it_needs(tree: Path) -> None:
    order = list(load_order(tree, ["virtio_gpu"]))
    assert order == ["drm", "drm_kms_helper", "virtio_ring", "virtio", "virtio_gpu"]


def test_modules_are_decompressed(tree: Path) -> None:
    assert all(data.startswith(b"\x7fELF") for data in load_order(tree, ["virtio_gpu"]).values())


def test_what_the_kernel_has_not_as_a_module_is_left_out(tree: Path) -> None:
    assert list(load_order(tree, ["vgem", "virtio", "built_in"])) == ["virtio_ring", "virtio"]

"""Which kernel modules to load, and in which order: what depmod and modprobe would find out."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from pathlib import Path


def load_order(tree: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    """Modules and all that they depend on, each after what it needs.

    Args:
        tree: A kernel's module tree (`lib/modules/VERSION`).
        wanted: Module names. One that is built in, or that this kernel has not, is left out.

    Returns:
        Name to decompressed module file, in the order to load them.
    """
    files = {path.name.split(".")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    loaded: dict[str, bytes] = {}

    def load(name: str) -> None:
        if name in loaded or name not in files:
            return
        data = files[name].read_bytes()
        if files[name].suffix == ".xz":
            data = lzma.decompress(data)
        for needed in _dependencies(data):
            load(needed)
        loaded[name] = data

    for name in wanted:
        load(name)
    return loaded


def _dependencies(module: bytes) -> list[str]:
    """What a module says in its .modinfo section, a row of key=value strings."""
    depends = re.search(rb"\0depends=([^\0]+)\0", module)
    return depends[1].decode().replace("-", "_").split(",") if depends else []

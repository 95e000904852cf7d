"""What `scanout bench compare` compares with: how other tools check a picture against a golden file.

Each check begins with a picture in memory, (height, width, 4) uint8, and ends with a verdict, exact: no
tolerance, and smoothed edges count. Each tool has its golden file as it writes it.
"""

from __future__ import annotations

import importlib
import io
from abc import ABC, abstractmethod
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


class Peer(ABC):
    """A tool.

    Attributes:
        name: Of its distribution.
        modules: What has to be there.
    """

    name: str
    modules: tuple[str, ...]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loaded: list[Any] = [importlib.import_module(module) for module in self.modules]

    def path(self, name: str) -> Path:
        """Where it has the golden file of a picture."""
        return self.directory / f"{self.name}-{name}.png"

    def store(self, name: str, picture: Picture) -> None:
        """Write the golden file."""
        Image.fromarray(picture).save(self.path(name))

    @abstractmethod
    def check(self, name: str, picture: Picture) -> bool:
        """Whether a picture equals the golden one."""


class ImageSnapshot(Peer):
    """pytest-image-snapshot: Pillow's difference of two images."""

    name, modules = "pytest-image-snapshot", ("pytest_image_snapshot",)

    def check(self, name: str, picture: Picture) -> bool:
        """What its fixture does."""
        module = self.loaded[0]
        try:
            module._image_snapshot(Image.fromarray(picture), self.path(name))
        except module.ImageMismatchError:
            return False
        return True


class Syrupy(Peer):
    """syrupy's extension for PNG: the files' bytes. It is given the quickest compression that there is."""

    name, modules = "syrupy", ("syrupy.extensions.image",)

    def store(self, name: str, picture: Picture) -> None:
        """As a first run writes it."""
        self.path(name).write_bytes(self._encoded(picture))

    def check(self, name: str, picture: Picture) -> bool:
        """What an assertion does once the test and its file are known."""
        extension = self.loaded[0].PNGImageSnapshotExtension()
        stored = extension.read_snapshot_data_from_location(
            snapshot_location=str(self.path(name)), snapshot_name=name, session_id=""
        )
        given = extension.serialize(self._encoded(picture))
        return bool(extension.matches(serialized_data=given, snapshot_data=stored))

    @staticmethod
    def _encoded(picture: Picture) -> bytes:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, format="PNG", compress_level=1)
        return file.getvalue()


class Mpl(Peer):
    """pytest-mpl: Matplotlib's comparison of two files, of which it writes one."""

    name, modules = "pytest-mpl", ("matplotlib.testing.compare", "pytest_mpl.plugin")

    def check(self, name: str, picture: Picture) -> bool:
        """Save the picture and compare the files."""
        result = self.directory / "result.png"
        Image.fromarray(picture).save(result, compress_level=1)
        compare = self.loaded[0].compare_images
        return compare(str(self.path(name)), str(result), tol=0, in_decorator=True) is None


class Pixelmatch(Peer):
    """pixelmatch: a loop over the pixels that ends at the first difference."""

    name, modules = "pixelmatch", ("pixelmatch.contrib.PIL",)

    def check(self, name: str, picture: Picture) -> bool:
        """Open the golden file and compare the images."""
        with Image.open(self.path(name)) as golden:
            count = self.loaded[0].pixelmatch(
                golden, Image.fromarray(picture), threshold=0, includeAA=True, fail_fast=True
            )
        return bool(count == 0)


PEERS: tuple[type[Peer], ...] = (ImageSnapshot, Syrupy, Mpl, Pixelmatch)


def installed(directory: Path) -> tuple[list[Peer], dict[str, str], dict[str, str]]:
    """The tools that are there, their versions, and how the others are installed."""
    found: list[Peer] = []
    missing: dict[str, str] = {}
    for peer in PEERS:
        try:
            found.append(peer(directory))
        except ImportError:
            missing[peer.name] = f"pip install {peer.name}"
    return found, {peer.name: version(peer.name) for peer in found}, missing

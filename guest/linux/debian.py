"""Debian packages, without root and without touching the system's package state.

apt itself fetches and verifies: the same program, the same keyring, only with lists, cache and sources
of our own, given by a configuration file of our own. The mirror and the proxy are the machine's, or named by
`SCANOUT_DEBIAN_MIRROR`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from guest.linux.cache import cache_dir, locked
from guest.linux.errors import ToolFailed, ToolMissing
from guest.linux.tool import Progress, missing_packages, no_progress, require, run_tool

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR_VARIABLE = "SCANOUT_DEBIAN_MIRROR"
_TRANSPORT = re.compile(r"Acquire::(https?::|Check-Valid-Until|Check-Date|Retries|ForceIPv)")

# Read after the machine's own configuration, so that proxies stay and hooks go: an update hook would
# work on the system's state, which is not ours. As root, apt would download as a user of its own, who
# may not enter our cache: the sandbox user says no.
_CONFIGURATION = """\
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
#clear APT::Architectures;
APT::Architecture "{architecture}";
APT::Architectures "{architecture}";
APT::Default-Release "";
APT::Sandbox::User "root";
Acquire::Languages "none";
APT::Update::Error-Mode "any";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def mirror() -> str:
    """Where this machine gets Debian from: `SCANOUT_DEBIAN_MIRROR`, else the address in apt's sources.

    Raises:
        ToolMissing: Neither says one.
    """
    if given := os.environ.get(MIRROR_VARIABLE):
        return given
    try:
        lines = run_tool(
            ["apt-get", "indextargets", "--format", "$(SITE) $(LABEL)"], what="reading the sources of apt"
        ).splitlines()
    except ToolFailed:
        lines = []
    for line in lines:
        if line.split()[1:] == ["Debian"]:
            return line.split()[0]
    raise ToolMissing(f"apt's sources name no mirror of Debian: set {MIRROR_VARIABLE} to one's address")


def transport_settings() -> list[str]:
    """How this machine's apt reaches its mirror, for an apt that does not read the machine's settings.

    Proxies, retries, and whether a mirror may be older than its own date says; never whether signatures
    are checked.
    """
    try:
        dumped = run_tool(["apt-config", "dump", "--no-empty", "Acquire"], what="reading apt's settings")
    except ToolFailed:
        return []
    return [line.rstrip(";") for line in dumped.splitlines() if _TRANSPORT.match(line)]


def require_keyring() -> Path:
    """Where Debian's keys are.

    Raises:
        ToolMissing: They are not installed.
    """
    if not KEYRING.exists():
        raise missing_packages(
            f"{KEYRING}: not there, so packages cannot be verified", "debian-archive-keyring"
        )
    return KEYRING


@dataclass(frozen=True, slots=True)
class Package:
    """A package that a suite has.

    Attributes:
        name: Its name.
        version: Debian version.
        size: Bytes to fetch.
    """

    name: str
    version: str
    size: int


class Suite:
    """One suite of the Debian archive for one architecture ("sid", "amd64").

    Args:
        name: Suite or codename.
        architecture: Debian's word: "amd64", "arm64".
        progress: Told about downloads.
    """

    def __init__(self, name: str, architecture: str, progress: Progress = no_progress) -> None:
        self.name = name
        self.architecture = architecture
        self._progress = progress

    def newest(self, package: str) -> Package:
        """The newest version of a package.

        Raises:
            ToolFailed: The suite has no such package.
        """
        fields = _fields(
            self._apt("apt-cache", "show", "--no-all-versions", package, what=f"looking for {package}")
        )
        return Package(fields["Package"], fields["Version"], int(fields["Size"]))

    def matching(self, pattern: str) -> list[str]:
        """The names of all packages whose name matches a regular expression."""
        found = self._apt("apt-cache", "search", "--names-only", pattern, what="searching the package list")
        return [line.split(" ", 1)[0] for line in found.splitlines()]

    def dependencies(self, package: str) -> list[str]:
        """The names that a package depends on, alternatives and versions left out."""
        shown = self._apt("apt-cache", "show", "--no-all-versions", package, what=f"looking for {package}")
        return [
            re.split(r"[ (|:]", item.strip())[0]
            for item in _fields(shown).get("Depends", "").split(",")
            if item
        ]

    def fetch(self, package: str, into: Path) -> Path:
        """Download a package's newest version, verified by apt.

        Args:
            package: Its name.
            into: An empty directory.

        Returns:
            The .deb file in it.

        Raises:
            ToolFailed: No network, or a signature or checksum that does not fit.
        """
        stage = f"fetching {package}"

        def on_line(line: str) -> None:
            if match := re.match(r"dlstatus:\d+:([\d.]+):", line):
                self._progress(stage, float(match[1]) / 100)

        self._apt(
            "apt-get",
            "-o",
            "APT::Status-Fd=1",
            "download",
            package,
            what=stage,
            directory=into,
            on_line=on_line,
        )
        (deb,) = into.glob("*.deb")
        return deb

    @cached_property
    def _configuration(self) -> Path:
        """Our configuration file, once the suite's package lists are here and fresh."""
        require("apt-get", "apt-cache")
        keyring = require_keyring()
        root = cache_dir("apt", f"{self.name}-{self.architecture}")
        for directory in ("state/lists/partial", "cache/archives/partial", "sources"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        (root / "status").touch()
        (root / "sources" / "debian.sources").write_text(
            f"Types: deb\nURIs: {mirror()}\nSuites: {self.name}\nComponents: main\nSigned-By: {keyring}\n"
        )
        configuration = root / "apt.conf"
        configuration.write_text(_CONFIGURATION.format(root=root, architecture=self.architecture))
        self._progress(f"reading Debian's package list ({self.name})")
        with locked(root / "lists"):
            run_tool(
                ["apt-get", "-c", configuration, "-q", "update"],
                what=f"reading Debian's package list ({self.name})",
            )
        return configuration

    def _apt(self, program: str, *arguments: str, what: str, directory: Path | None = None,
             on_line: Callable[[str], None] | None = None) -> str:  # fmt: skip
        command = [program, "-c", str(self._configuration), *arguments]
        return run_tool(command, what=what, directory=directory, on_line=on_line)


def unpack(deb: Path, into: Path) -> None:
    """Unpack a package's files, and run none of its scripts."""
    require("dpkg-deb")
    run_tool(["dpkg-deb", "-x", deb, into], what=f"unpacking {deb.name}")


def _fields(paragraph: str) -> dict[str, str]:
    """The one-line fields of the first paragraph of apt's output."""
    lines = paragraph.strip().split("\n\n", 1)[0].splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith(" ") and ": " in line)

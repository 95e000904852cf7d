"""`make fuzz`: all targets in turn; how many inputs there were, what they reached, and what was found.

    python -m tests.fuzz [--seconds N | --runs N] [--seed N] [TARGET ...]

With `--runs` a run is the same each time. Else what was reached is kept in build/fuzz, and the next run goes
on from there. A finding is one file there; once its cause is mended it moves to tests/fuzz/corpus.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.target import CORPUS, COVERS, load

_PATIENCE_S = 60  # for one input: a hang, whatever the machine
_MEMORY_MB = 3072


@dataclass(frozen=True)
class Result:
    """What came of one target.

    Attributes:
        name: The target's.
        inputs: How many were played.
        kept: How many of them reach something that the others do not.
        work: Calls that the most expensive of those costs.
        taken: Branches taken, of `branches`.
        finding: What is wrong, or "".
    """

    name: str
    inputs: int = 0
    kept: int = 0
    work: int = 0
    taken: int = 0
    branches: int = 0
    finding: str = ""

    def __str__(self) -> str:
        reached = f"{self.taken} of {self.branches} ({100 * self.taken // max(1, self.branches)} %)"
        line = f"{self.name:12} {self.inputs:>10,} {self.kept:>6} {self.work:>9,}  {reached:20}"
        return f"{line} {self.finding or 'none'}"


def fuzz(name: str, limits: list[str], build: Path) -> Result:
    """Fuzz one target, then look closer at what was kept of it."""
    folder, found = build / name, build / f"found-{name}"
    for made in (folder, found):
        made.mkdir(parents=True, exist_ok=True)
    target = load(name)
    for seed in target.seeds():
        (folder / sha256(seed).hexdigest()[:20]).write_bytes(seed)
    words = build / f"words-{name}"
    words.write_text("".join(f'"{escaped(word)}"\n' for word in target.words))
    options = [
        *limits, f"-max_len={target.longest}", f"-artifact_prefix={found}/",
        *([f"-dict={words}"] if target.words else []),
        f"-timeout={_PATIENCE_S}", f"-rss_limit_mb={_MEMORY_MB}", "-print_final_stats=1", "-verbosity=0",
    ]  # fmt: skip
    folders = [str(folder), *([str(CORPUS / name)] if (CORPUS / name).is_dir() else [])]
    ran = child("engine", name, *options, *folders)
    inputs = int(number[1]) if (number := re.search(r"number_of_executed_units: (\d+)", ran.stderr)) else 0
    if ran.returncode:
        return Result(name, inputs, finding=last_words(ran.stdout + ran.stderr))
    return closer(name, inputs, folders)


def closer(name: str, inputs: int, folders: list[str]) -> Result:
    """What was reached, by what was kept."""
    ran = child("replay", name, *folders)
    if ran.returncode:
        return Result(name, inputs, finding=ran.stderr.strip().splitlines()[-1])
    reached = json.loads(ran.stdout.splitlines()[-1])
    return Result(name, inputs, reached["inputs"], reached["work"], reached["taken"], reached["branches"])


def child(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the modules beside this one; strings hash the same each time."""
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", f"tests.fuzz.{module}", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=environment, check=False
    )


def last_words(output: str) -> str:
    """What atheris says of a finding, and where the input is."""
    said = re.search(r"Uncaught Python exception: ===\n(.*)", output) or re.search(r"ERROR: (.*)", output)
    where = re.search(r"Test unit written to (\S+)", output)
    what = said[1] if said else (output.strip().splitlines() or ["it ended without a word"])[-1]
    return f"{what} ({where[1]})" if where else what


def escaped(word: bytes) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word
    )


def results(options: argparse.Namespace) -> Iterator[Result]:
    """One for each target, as they end."""
    names = options.targets or list(COVERS)
    limits = [f"-seed={options.seed}"]
    if options.runs:
        shutil.rmtree(options.build / "again", ignore_errors=True)
        limits.append(f"-runs={options.runs}")
    else:
        limits.append(f"-max_total_time={max(1, options.seconds // len(names))}")
    for name in names:
        yield fuzz(name, limits, options.build / "again" if options.runs else options.build)


def main() -> None:
    """Print a line for each target; exit status 1 for a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together (60)")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target, the same each time")
    parser.add_argument("--seed", type=int, default=1, help="of what is tried (1)")
    parser.add_argument("--build", type=Path, default=Path("build/fuzz"), help="where inputs are kept")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(COVERS)}")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        parser.error("atheris is missing: make fuzz installs it, for CPython 3.11 to 3.13 on x86-64")
    print(f"{'target':12} {'inputs':>10} {'kept':>6} {'most calls':>9} {'branches taken':20} findings")
    total, found = 0, 0
    for result in results(options):
        print(result, flush=True)
        total, found = total + result.inputs, found + bool(result.finding)
    print(f"{total:,} inputs, {found} findings")
    sys.exit(found > 0)


if __name__ == "__main__":
    main()

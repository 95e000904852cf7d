"""The fuzzed targets: what honest peers send, what once was found, and whether a fault is found at all."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.reader import Reader, block
from tests.fuzz.replay import replay
from tests.fuzz.target import CORPUS, COVERS, LeftBehind, Target, TooMuchWork, kept, load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COVERS)
def test_a_target_keeps_its_promises_for_honest_peers_and_for_all_that_was_found(name: str) -> None:
    target = load(name)
    seeds = list(target.seeds())
    assert len(seeds) >= 10
    assert replay(target, [*seeds, *(path.read_bytes() for path in kept(name))]) > 0


def test_what_was_found_belongs_to_targets_and_is_small() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= set(COVERS)
    sizes = [path.stat().st_size for path in CORPUS.glob("*/*")]
    assert sum(sizes) < 100_000


def nothing(_data: bytes) -> None: ...


def leaks(_data: bytes) -> None:
    os.dup2(0, 1000)


def toils(_data: bytes) -> None:
    for _ in range(100):
        nothing(b"")


@pytest.mark.parametrize(("run", "finding"), [(leaks, LeftBehind), (toils, TooMuchWork)])
def test_what_stays_and_what_toils_is_a_finding(
    run: Callable[[bytes], None], finding: type[Exception]
) -> None:
    with pytest.raises(finding):
        Target(run, list, work=50, work_per_byte=1).measure(b"data")
    if run is leaks:
        os.close(1000)


def test_work_may_grow_with_the_input_alone() -> None:
    target = Target(toils, list, work=50, work_per_byte=1)
    assert target.measure(bytes(100)) >= 100


def test_an_input_means_something_however_short_it_is() -> None:
    reader = Reader(block(b"abc") + b"\5")
    assert (reader.block(), reader.number(2), bool(reader), reader.number(8)) == (b"abc", 5, False, 0)


def fuzz(build: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", "--build", str(build), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="make fuzz installs it"
)


@needs_atheris
def test_a_planted_fault_is_found_and_ends_with_status_1(tmp_path: Path) -> None:
    ran = fuzz(tmp_path, "--runs", "200000", "planted")
    assert ran.returncode == 1, ran.stderr
    assert "1 findings" in ran.stdout
    found = ran.stdout.splitlines()[1]
    assert "ValueError: planted" in found or "LeftBehind" in found
    assert Path(found.rsplit("(")[-1].rstrip(")")).read_bytes()[:2] in (b"FU", b"LE")


@needs_atheris
def test_a_run_of_so_many_inputs_is_the_same_each_time(tmp_path: Path) -> None:
    one, other = (fuzz(tmp_path / name, "--runs", "500", "--seed", "7", "messages") for name in ("a", "b"))
    assert (one.returncode, one.stdout) == (0, other.stdout)

"""The table of limits: every row is tested, and what makes no sense is refused."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from virtio.budget import Budget
from virtio.errors import Misuse
from virtio.limits import TABLE, Limits, Totals, changed, changed_all, number

HERE = Path(__file__).parent
TESTS = (HERE / "gpu/test_device_limits.py", HERE / "vhost_user/test_peer_limits.py")


def defined() -> set[str]:
    """The test functions that the two files define."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, functions)
    }


def test_each_limit_is_refused_and_kept_to_in_a_test() -> None:
    wanted = {f"test_limit_{row.name.replace('-', '_')}" for row in TABLE}
    found = {name for name in defined() if name.startswith("test_limit_")}
    assert found == wanted


def test_names_are_unique_and_each_total_has_its_limit_of_one_guest() -> None:
    names = [row.name for row in TABLE]
    assert len(set(names)) == len(names)
    assert {name.removeprefix("total-") for name in names if name.startswith("total-")} <= set(names)
    default = {row.name: row.default for row in TABLE}
    assert all(default[name] <= default.get(f"total-{name}", default[name]) for name in default)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("resources", "64", 64),
        ("resources", 64, 64),
        ("host-memory", "256M", 256 << 20),
        ("host-memory", "4096", 4096),
        ("total-host-memory", "2G", 2 << 30),
        ("turn", "5ms", 5000),
        ("turn", "100", 100),
        ("first-message", "5s", 5),
    ],
)
def test_values_have_units(name: str, text: int | str, value: int) -> None:
    assert number(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("resources", "64M", "limit resources: '64M' is no number of resources$"),
        ("host-memory", "64X", "limit host-memory: '64X' is no number of bytes, perhaps with one of K M G T"),
        ("host-memory", "", "limit host-memory: '' is no number of bytes"),
        ("host-memory", "-1", "limit host-memory: '-1' is no number"),
        ("host-memory", -1, "limit host-memory: -1 is not a whole number of bytes, 0 or more"),
        ("host-memory", "99999999999999999999", "limit host-memory: 99999999999999999999 is not"),
        ("host-memory", "9" * 5000, "is no number of bytes"),
        ("turn", "5m", "limit turn: '5m' is no number of us, perhaps with one of us ms s behind it"),
        ("turn", "1", "limit turn: 1 is not a whole number of us, 100 or more"),
        ("fences", 31, "limit fences: 31 is not a whole number of answers, 32 or more"),
        ("dimension", 16_385, "limit dimension: 16385 is not a whole number of pixels, 16 to 16384"),
        ("resources", True, "limit resources: True is not a whole number"),
        ("resource", 1, "there is no limit 'resource'; there are: host-memory, resources"),
        ("total-mapped", 1, "there is no limit 'total-mapped'"),
        ("total-resources", 1, "limit total-resources: it is one of all guests together"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, text: int | str, said: str) -> None:
    with pytest.raises(Misuse, match=said):
        changed(Limits(), {name: text})


def test_dashes_and_underscores_are_one() -> None:
    changes: dict[str, int | str] = {"host_memory": "1K", "total-host-memory": 5, "turn": "1ms"}
    assert changed_all(Limits(), Totals(), changes) == (
        Limits(host_memory=1024, turn=1000),
        Totals(host_memory=5),
    )


def test_python_is_held_to_the_table_too() -> None:
    with pytest.raises(Misuse, match="limit total-fences: 1 is not"):
        Totals(fences=1)
    with pytest.raises(Misuse, match=r"limit turn: 0\.5 is not"):
        Limits(turn=0.5)  # type: ignore[arg-type]


def test_a_share_is_bounded_by_the_whole() -> None:
    whole = Budget(10)
    one, other = Budget(8, whole), Budget(8, whole)
    one.take(7)
    assert (one.left, other.left, other.has(3), other.has(4)) == (1, 3, True, False)
    assert (one.state(), other.state()) == ("the guest has 7 of 8", "all guests together have 7 of 10")
    other.hold(3)
    other.hold(1)
    assert (other.used, whole.used) == (1, 8)
    heard: list[str] = []

    def hear() -> None:
        heard.append("given")

    other.call_when_given(hear)
    other.call_when_given(hear)
    one.give(7)
    assert (heard, whole.used) == (["given"], 1)
    one.take(1)
    one.give(1)
    assert heard == ["given"], "once"

from collections.abc import Callable

from compositor.bench.report import Report, interleave, machine


def values(*numbers: float) -> Callable[[], float]:
    iterator = iter(numbers)
    return lambda: next(iterator)


def test_the_ratio_is_the_median_of_the_pairs_and_above_one_where_ours_is_better() -> None:
    row = interleave("case", "ms", values(1, 2, 10), {"peer": values(2, 6, 10)}, runs=3, goal=1.5)
    assert (row.ours, row.peers, row.ratio) == (2, {"peer": 6}, 2)
    assert row.reached
    rates = interleave("case", "flips/s", values(8, 8), {"peer": values(2, 4)}, runs=2, goal=4)
    assert rates.ratio == 3
    assert rates.reached is False


def test_measurements_are_interleaved() -> None:
    log: list[str] = []

    def logged(name: str) -> Callable[[], float]:
        def measure() -> float:
            log.append(name)
            return 1.0

        return measure

    interleave("case", "ms", logged("ours"), {"a": logged("a"), "b": logged("b")}, runs=2)
    assert log == ["ours", "a", "b"] * 2


def test_without_a_peer_there_is_no_ratio_and_nothing_is_reached() -> None:
    row = interleave("case", "ms", values(1.0), {}, runs=1, goal=2)
    assert (row.against, row.ratio, row.reached) == (None, None, None)


def test_the_document_has_the_fields_of_the_contract() -> None:
    report = Report("x", [interleave("case", "ms", values(1.0), {"p": values(2.0)}, runs=1)], {"p": "1"})
    document = report.to_json()
    assert {"bench", "machine", "versions", "rows"} <= document.keys()
    assert document["rows"][0] == {
        "case": "case", "unit": "ms", "ours": 1.0, "peers": {"p": 2.0}, "against": "p",
        "ratio": 2.0, "goal": None, "runs": 1,
    }  # fmt: skip
    assert machine()["cores"] >= 1


def test_the_fastest_peer_is_the_one_that_ours_is_held_to() -> None:
    peers = {"slow": values(9, 9, 9), "fast": values(4, 4, 4)}
    row = interleave("case", "ms", values(1, 2, 4), peers, runs=3, fastest=True)
    assert (row.against, row.ratio) == ("fast", 2)
    rates = {"slow": values(4), "fast": values(8)}
    assert interleave("case", "frames/s", values(8), rates, runs=1, fastest=True).against == "fast"
    assert interleave("case", "ms", values(1), {}, runs=1, fastest=True).against is None

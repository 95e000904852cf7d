from typing import Any

import numba
import pytest

from guest.workloads.compiled import compiled


def test_without_a_place_to_keep_it_code_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(**options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr("guest.workloads.compiled.njit", njit)

    @compiled
    def double(x: int) -> int:
        return 2 * x

    assert double(21) == 42

"""What a guest may use, counted."""

from __future__ import annotations

import numpy as np
import pytest

from virtio.budget import Budget
from virtio.gpu.errors import CommandFault
from virtio.gpu.limits import Ledger
from virtio.gpu.wire import Response
from virtio.limits import Limits


def test_a_budget_is_used_up_to_its_limit_exactly() -> None:
    budget = Budget(10)
    assert budget.has(10)
    budget.take(7)
    assert (budget.has(3), budget.has(4)) == (True, False)
    budget.give(7)
    assert budget.used == 0


def test_memory_is_counted_and_zero() -> None:
    ledger = Ledger()
    array = ledger.allocate((3, 8), "a test")
    assert (ledger.host_memory.used, array.shape) == (24, (3, 8))
    assert not array.any()


def test_memory_beyond_the_limit_is_refused_and_not_counted() -> None:
    ledger = Ledger(Limits(host_memory=100))
    ledger.charge(60, "a test")
    with pytest.raises(
        CommandFault, match="an image needs 64 bytes of host memory, and the guest has 60 of 100"
    ) as caught:
        ledger.allocate((4, 16), "an image")
    assert caught.value.response == Response.ERR_OUT_OF_MEMORY
    assert ledger.host_memory.used == 60


def test_sizes_do_not_wrap() -> None:
    ledger = Ledger()
    with pytest.raises(CommandFault, match=str(1 << 80)):
        ledger.allocate((1 << 40, 1 << 40), "an image")


def test_a_host_without_memory_refuses_and_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "zeros", fail)
    ledger = Ledger()
    with pytest.raises(CommandFault, match="an image: the host has no 4 bytes left") as caught:
        ledger.allocate((4,), "an image")
    assert caught.value.response == Response.ERR_OUT_OF_MEMORY
    assert ledger.host_memory.used == 0

"""What one guest's device uses of its host, as commands spend it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from virtio.account import Account
from virtio.gpu.errors import out_of_memory

_CACHE_LINE = 64  # bytes


class Ledger(Account):
    """A guest's account, and how a device takes host memory from it."""

    def charge(self, amount: int, purpose: str) -> None:
        """Count host memory.

        Raises:
            CommandFault: It would be more than the guest may have (ERR_OUT_OF_MEMORY).
        """
        if not self.host_memory.has(amount):
            what = f"{purpose} needs {amount} bytes of host memory"
            raise out_of_memory(self.reached("host-memory", what, self.host_memory))
        self.host_memory.take(amount)

    def allocate(self, shape: tuple[int, ...], purpose: str) -> NDArray[np.uint8]:
        """Host memory of zeros, counted; `host_memory.give(array.nbytes)` when it is dropped.

        Raises:
            CommandFault: As `charge`, or the host itself is out of memory.
        """
        amount = int(np.prod(shape, dtype=object))
        self.charge(amount, purpose)
        try:
            memory = np.zeros(amount + _CACHE_LINE, np.uint8)
        except MemoryError:
            self.host_memory.give(amount)
            raise out_of_memory(f"{purpose}: the host has no {amount} bytes left") from None
        start = -memory.ctypes.data % _CACHE_LINE  # writes that straddle cache lines cost a tenth more
        return memory[start : start + amount].reshape(shape)

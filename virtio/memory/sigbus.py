"""Survive that shared memory is cut short while it is mapped.

A peer that keeps its memory in a file without the seal F_SEAL_SHRINK (UML's is one in `/dev/shm`) can
truncate that file at any time, and so can a full tmpfs fail to give it a page. The next access to the
missing part then raises SIGBUS in *this* process, which by default dies of it.

The guard is a signal handler that looks the faulting address up in a table of our mappings, maps zeros
over the rest of the mapping, from the page of the fault on, notes that it did, and returns: the access
runs again and reads zeros. A huge page is replaced as a whole, for the kernel refuses its middle. Zeroing all
the rest, not one page, bounds both the number of signals and the number of kernel mappings; a truncated
guest's picture is lost anyway.

Why this is sound: SIGBUS of this kind is synchronous. It interrupts exactly a load or a store to guest
memory, never `malloc`, a held lock or the interpreter's own structures. And the handler is machine code that
calls `mmap` and nothing else: it needs neither the interpreter nor its lock, so that it works alike in plain
Python, in numpy, and in threads that run compiled kernels while another thread holds the lock and waits
for them. (A handler in Python would deadlock there.) The code is `sigbus.ll`, in LLVM's assembly,
which numba's own compiler turns into machine code in 20 ms; processes that see sealed memory only never do.

An access to anything else is handed on: the previous action is put back and the access runs again. So
`faulthandler` still reports what is truly a bug.
"""

from __future__ import annotations

import ctypes
import signal
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virtio.errors import Unmappable

_SA_SIGINFO = 4  # asm/signal.h: the handler takes (signal, siginfo, context)
CAPACITY = 8192
"""Mappings that can be watched at once; the handler's search through all of them takes microseconds."""


class _SigAction(ctypes.Structure):
    """`struct sigaction` of glibc and musl on x86-64 and aarch64 (bits/sigaction.h), 152 bytes."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_uint64 * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


class _Guard:
    """The handler and its table; one per process, for ever."""

    def __init__(self) -> None:
        self._engine = _compile()
        self._action = _SigAction(handler=self._engine.get_function_address("handler"), flags=_SA_SIGINFO)
        self._previous = self._cell("previous", _SigAction)
        # start, end, protection, address of the flag, page
        self.table = np.zeros((CAPACITY, 5), np.int64)
        self.free = list(range(CAPACITY - 1, -1, -1))
        self._cell("watches", ctypes.c_void_p).value = self.table.ctypes.data
        self._cell("count", ctypes.c_int64).value = CAPACITY

    def _cell(self, name: str, kind: Any) -> Any:
        """A global variable of the machine code."""
        return kind.from_address(self._engine.get_global_value_address(name))

    def install(self) -> None:
        """Be the process's action for SIGBUS, again if another handler became it since."""
        current = _SigAction()
        _sigaction(signal.SIGBUS, None, ctypes.byref(current))
        if current.handler != self._action.handler:
            ctypes.memmove(ctypes.byref(self._previous), ctypes.byref(current), ctypes.sizeof(_SigAction))
            _sigaction(signal.SIGBUS, ctypes.byref(self._action), None)


class Watch:
    """One mapping of memory that may be truncated. Close it before the mapping goes.

    Args:
        address: First byte of the mapping.
        size: Bytes.
        protection: `PROT_*` of the mapping, kept by the zeros that replace it.
        truncated: One byte, becomes 1 when an access found the memory gone; kept alive by the watch.
        page: Bytes in a page of the mapping.

    Raises:
        Unmappable: `CAPACITY` mappings are watched already.
    """

    __slots__ = ("_guard", "_truncated", "_slot")

    def __init__(
        self, address: int, size: int, protection: int, truncated: NDArray[np.uint8], page: int
    ) -> None:
        self._guard = guard = _guard()
        guard.install()
        self._truncated = truncated
        # `list.pop` and `append` are atomic, so neither this nor `close` needs a lock, which the garbage
        # collector, closing a watch in the middle of making another, could meet locked.
        try:
            self._slot = guard.free.pop()
        except IndexError:
            raise Unmappable(f"{CAPACITY} mappings of memory that can shrink: no room for more") from None
        guard.table[self._slot] = (address, address + size, protection, truncated.ctypes.data, page)

    def close(self) -> None:
        """The mapping is about to go."""
        self._guard.table[self._slot] = 0
        self._guard.free.append(self._slot)


_sigaction = ctypes.CDLL(None).sigaction
_sigaction.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


def prepare() -> None:
    """Install the handler now (0.2 s), where there is time for it; else the first mapping does."""
    _guard().install()


@cache
def _guard() -> _Guard:
    """Made on first use: who sees sealed memory only pays nothing."""
    return _Guard()


def _compile() -> Any:
    """`sigbus.ll` as machine code in this process."""
    import llvmlite.binding as llvm  # noqa: PLC0415 - 0.1 s, for the few who need it

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    source = resources.files(__package__).joinpath("sigbus.ll").read_text(encoding="utf-8")
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(source), machine)
    engine.finalize_object()
    return engine

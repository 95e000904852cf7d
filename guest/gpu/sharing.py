"""Four ways to share a GPU, and none, as modes of one model.

What tells them apart is what stands between a guest and the GPU, and when:

* *native*: nothing; one system alone. What the others are compared with.
* *direct*: the GPU is passed through to one guest. Only interrupts take a detour, through the host.
* *mediated* (Tian, Dong, Cowperthwaite: "A Full GPU Virtualization Solution with Mediated Pass-Through",
  USENIX ATC 2014): guests reach their part of graphics memory and their command buffers freely; page table
  updates, doorbells and interrupts trap. VRAM is partitioned, and ballooned: every guest counts as the GPU
  does and finds what belongs to others taken. Commands are audited before they run, and weighted time slices
  share the engine.
* *sriov*: every guest has a virtual function. Hardware translates and checks its addresses; slices are fixed.
* *remoting*: guests have no GPU but a library that sends its calls to the host. The host's own driver
  executes them in order; commands are copied there, and pictures back, since it is the guest's memory that is
  scanned out. The model draws where the copy would end, and adds its time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from guest.gpu.arbiter import Arbiter, InOrder
from guest.gpu.slices import FixedSlices
from guest.gpu.vram import PARTITIONS
from guest.gpu.weights import Accounting, WeightedSlices
from virtio.errors import Misuse


class Access(StrEnum):
    """What a driver does to its GPU besides writing into memory."""

    DOORBELL = "doorbell"
    PAGE_TABLE = "page-table"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True)
class Sharing:
    """One way.

    Attributes:
        name: For tables and the command line.
        trapped: Accesses that leave the guest: one trap for each doorbell, interrupt and page table entry.
        partitioned: Guests are given parts of VRAM; otherwise they see all of it.
        relative: Guests count their part from 0.
        audited: Commands are looked through before they run.
        remote: Commands and pictures are copied.
        most_guests: That can share; None: no limit of its own.
        arbiter: Makes the arbiter that shares the engine's time.
        trap_ns: Time of one trap: leave the guest, emulate, return.
        audit_ns: Time to look at one command.
        call_ns: Time to send one remote call.
        copy_bytes_per_s: Of remote commands and pictures.
    """

    name: str
    trapped: frozenset[Access] = frozenset()
    partitioned: bool = False
    relative: bool = False
    audited: bool = False
    remote: bool = False
    most_guests: int | None = 1
    arbiter: Callable[[], Arbiter] = InOrder
    trap_ns: int = 3_000
    audit_ns: int = 100
    call_ns: int = 4_000
    copy_bytes_per_s: int = 8_000_000_000


NATIVE = Sharing("native")
DIRECT = Sharing("direct", trapped=frozenset({Access.INTERRUPT}))
MEDIATED = Sharing(
    "mediated",
    trapped=frozenset(Access),
    partitioned=True,
    audited=True,
    most_guests=PARTITIONS - 1,
    arbiter=WeightedSlices,
)
ORIGINAL_MEDIATED = Sharing(
    "mediated-original",
    trapped=MEDIATED.trapped,
    partitioned=True,
    audited=True,
    most_guests=PARTITIONS - 1,
    arbiter=lambda: WeightedSlices(Accounting.ON_SWITCH),
)
"""As it was before its scheduler's accounting was mended; see `guest.gpu.weights`."""
SRIOV = Sharing(
    "sriov",
    trapped=frozenset({Access.INTERRUPT}),
    partitioned=True,
    relative=True,
    most_guests=PARTITIONS - 1,
    arbiter=FixedSlices,
)
REMOTING = Sharing(
    "remoting",
    trapped=frozenset({Access.DOORBELL, Access.INTERRUPT}),
    audited=True,
    remote=True,
    most_guests=None,
)

SHARINGS = {s.name: s for s in (NATIVE, DIRECT, MEDIATED, ORIGINAL_MEDIATED, SRIOV, REMOTING)}
"""By name."""


def sharing(mode: str | Sharing) -> Sharing:
    """A way by its name, or a description of one's own.

    Raises:
        Misuse: There is none of that name.
    """
    if isinstance(mode, Sharing):
        return mode
    if mode not in SHARINGS:
        raise Misuse(f"a GPU cannot be shared by {mode!r}; there are {', '.join(SHARINGS)}")
    return SHARINGS[mode]

"""The driver of the passthrough GPU: buffers, jobs and their fences.

Modelled on drm_sched and the drivers that sit on it (drm/xe, amdgpu). A job waits for what its buffers'
reservations ask for and for its own in-fence, jobs of one driver in their order; then it goes into the ring:
the call of its batch, a store of its number into the fence page, an interrupt. The interrupt's handler reads
that page and signals all fences up to there. Should that interrupt be lost, the driver looks at the page by
itself when jobs are out for longer than the GPU lets one run, as the timeout handlers of drm_sched do
(`drm_sched_job_timedout`). When the GPU bans the context, the job that it was at ends with the fault's error,
those behind it with -ECANCELED, and the driver goes on with a new context on the same address space.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

import numpy as np

from guest.gpu.address_space import BAR
from guest.gpu.commands import Call, Command, End, Interrupt, Store, Surface, encode
from guest.gpu.context import Context
from guest.gpu.execute import Program
from guest.gpu.faults import GpuFault
from guest.gpu.function import GpuFunction
from guest.gpu.page_table import ADDRESSES, IN_VRAM, PAGE, entries
from guest.memory import GuestRam, PageAllocator
from virtio.clock.calendar import Cancellable
from virtio.errors import Misuse
from virtio.fence import Fence, Reservation, Timeline, Usage, merge
from virtio.memory import GuestMemory, Run

BATCH_SIZE = 8192
JOB_TIMEOUT_HANGS = 2
"""After so many times `CostModel.hang_ns` without an interrupt the driver looks whether jobs are done."""

_JOB_SIZE = 32  # of the three commands in the ring; divides a page, so that no job lies around its end
_SEQNO_MASK = 0xFFFF_FFFF
_END = encode(End())


class GpuBuffer:
    """Memory that the GPU has mapped.

    Attributes:
        address: GPU virtual address.
        size: Bytes, whole pages.
        runs: Guest physical addresses, as others import it by.
        memory: Where those mean something to a processor.
        reservation: The fences of the jobs that use it.
    """

    def __init__(
        self,
        driver: RenderDriver,
        address: int,
        runs: Sequence[Run],
        memory: GuestMemory,
        free: Callable[[], None],
    ) -> None:
        self.address, self.runs, self.memory = address, runs, memory
        self.size = sum(length for _, length in runs)
        self.reservation = Reservation()
        self._driver, self._free = driver, free

    def surface(self, width: int, height: int) -> Surface:
        """It as a picture without gaps between rows."""
        return Surface(self.address, width, height, 4 * width)

    def release(self) -> None:
        """Unmap it and give its memory back, as soon as no job uses it any more."""
        self.reservation.singleton(Usage.BOOKKEEP).add_callback(self._released)

    def _released(self, _fence: Fence) -> None:
        self._driver.unmap(self)
        self._free()


class _Job(NamedTuple):
    data: bytes
    fence: Fence
    ready: Fence  # what it waits for
    submitted_ns: int


class _Batch(NamedTuple):
    seqno: int
    address: int
    submitted_ns: int


class RenderDriver:
    """Drives one GPU function.

    Args:
        function: From `Gpu.attach`.
        ram: The guest's system memory.
        name: For fences and messages.

    Attributes:
        programs: Shaders that `Dispatch` names by number.
        timeline: Of the jobs.
        jobs: How many have ended well.
        on_job: Called with the time from submission to fence, ns, of each of those.
        on_fault: Called with what the context was banned for.
    """

    def __init__(self, function: GpuFunction, ram: GuestRam, name: str = "gpu") -> None:
        self.function, self.ram = function, ram
        self.programs: list[Program] = []
        self.timeline = Timeline(f"{name} render", name)
        self.jobs = 0
        self.on_job: Callable[[int], None] = lambda _latency_ns: None
        self.on_fault: Callable[[GpuFault], None] = lambda _fault: None
        self._addresses = PageAllocator([(1, ADDRESSES // PAGE - 1)], Random(0))  # 0 stays unmapped
        self._space = function.new_space()
        self._waiting: deque[_Job] = deque()
        self._running: deque[_Batch] = deque()
        self._depth = function.cost.queue_depth
        # The page of the fence, the ring, and a batch for every job that fits into the ring.
        self._control = self.allocate(PAGE + self._depth * (_JOB_SIZE + BATCH_SIZE))
        self._words = ram.memory.map_scattered(self._control.runs, writable=True).data
        self._words[:PAGE] = 0
        self._ring = PAGE
        batches = PAGE + self._depth * _JOB_SIZE
        self._batches = [batches + BATCH_SIZE * i for i in range(self._depth)][::-1]
        self._timeout: Cancellable | None = None  # while jobs are with the GPU
        self._context = self._new_context()

    # Memory.

    def allocate(self, size: int) -> GpuBuffer:
        """System memory that the GPU has mapped.

        Raises:
            Misuse: The guest's memory is full.
        """
        runs = self.ram.allocate(size)
        return self._mapped(runs, 0, runs, self.ram.memory, lambda: self.ram.free(runs))

    def allocate_vram(self, size: int, *, visible: bool = False) -> GpuBuffer:
        """VRAM; `visible`: where processors reach it, the host's included.

        Raises:
            OutOfMemory: The guest's part is full.
        """
        vram = self.function.vram
        run = vram.allocate(size, visible=visible)
        seen = [(BAR + run[0], run[1])]
        return self._mapped([run], IN_VRAM, seen, self.function.memory, lambda: vram.free(run))

    def import_runs(self, runs: Sequence[Run], memory: GuestMemory) -> GpuBuffer:
        """Map system memory that belongs to another driver, and goes on to (PRIME)."""
        return self._mapped(runs, 0, runs, memory, lambda: None)

    def unmap(self, buffer: GpuBuffer) -> None:
        """Take a buffer out of the address space."""
        pages = buffer.size // PAGE
        self.function.write_page_table(self._space, buffer.address, np.zeros(pages, np.uint64))
        self._addresses.free(buffer.address // PAGE, pages)

    def map_pages(self, address: int, pages: Sequence[Run], flags: int = 0) -> None:
        """Write page table entries as they are: `pages` from GPU address `address` on.

        Raises:
            GpuFault: The pages are not the guest's.
        """
        self.function.write_page_table(self._space, address, entries(pages, flags))

    def _mapped(
        self,
        pages: Sequence[Run],
        flags: int,
        runs: Sequence[Run],
        memory: GuestMemory,
        free: Callable[[], None],
    ) -> GpuBuffer:
        address = self._addresses.contiguous(sum(length for _, length in pages) // PAGE)[0] * PAGE
        self.map_pages(address, pages, flags)
        return GpuBuffer(self, address, runs, memory, free)

    # Jobs.

    def submit(
        self,
        commands: Sequence[Command],
        *,
        reads: Sequence[GpuBuffer] = (),
        writes: Sequence[GpuBuffer] = (),
        after: Fence | None = None,
    ) -> Fence:
        """Let the GPU execute commands, after all that their buffers' users have to do before.

        Args:
            commands: Of a batch, without the `End`, which is added.
            reads: Buffers that they read.
            writes: Buffers that they write.
            after: A fence to wait for besides.

        Returns:
            Signals when they are done, with an error when they were not.

        Raises:
            Misuse: They do not fit into a batch, or the driver is closed.
        """
        data = b"".join(map(encode, commands)) + _END
        if len(data) > BATCH_SIZE:
            raise Misuse(f"{len(commands)} commands do not fit into a batch of {BATCH_SIZE} bytes")
        users = [fence for buffer in reads for fence in buffer.reservation.fences_for(write=False)]
        users += [fence for buffer in writes for fence in buffer.reservation.fences_for(write=True)]
        ready = merge(*users, *([] if after is None else [after]))
        fence = self.timeline.fence()
        for buffers, usage in ((reads, Usage.READ), (writes, Usage.WRITE)):
            for buffer in buffers:
                buffer.reservation.add(fence, usage)
        self._waiting.append(_Job(data, fence, ready, self.function.now_ns()))
        ready.add_callback(lambda _fence: self._feed())
        return fence

    @property
    def next_batch(self) -> int:
        """GPU address at which the next job's batch will lie, when it goes into the ring at once."""
        return self._control.address + self._batches[-1]

    def close(self) -> None:
        """Stop; fences that are out end with -ECANCELED. The memory goes with the guest's."""
        self._waiting.clear()
        self._running.clear()
        self._watch()
        self.timeline.close(-errno.ECANCELED, now_ns=self.function.now_ns())
        self._words = np.empty(0, np.uint8)  # unmaps

    def _feed(self) -> None:
        """Give the GPU the jobs that are ready, in their order, as far as the ring has room."""
        while self._waiting and self._waiting[0].ready.signaled and self._batches:
            job, batch = self._waiting.popleft(), self._batches.pop()
            self._words[batch : batch + len(job.data)] = np.frombuffer(job.data, np.uint8)
            self._running.append(_Batch(job.fence.seqno, batch, job.submitted_ns))
            self._push(job.fence.seqno, self._control.address + batch)
        self._watch()

    def _watch(self) -> None:
        """Have a timeout while jobs are with the GPU, and none while it is idle."""
        if self._running and self._timeout is None:
            timeout_ns = JOB_TIMEOUT_HANGS * self.function.cost.hang_ns
            self._timeout = self.function.call_at(self.function.now_ns() + timeout_ns, self._timed_out)
        elif not self._running and self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _timed_out(self) -> None:
        self._timeout = None
        self._signal_done()

    def _push(self, seqno: int, batch: int) -> None:
        """Put a job into the ring, and ring the bell."""
        call, store = Call(batch), Store(self._control.address, seqno & _SEQNO_MASK)
        job = encode(call) + encode(store) + encode(Interrupt())
        place = self._ring + self._tail % (self._depth * _JOB_SIZE)
        self._words[place : place + _JOB_SIZE] = np.frombuffer(job, np.uint8)
        self._tail += _JOB_SIZE
        self.function.doorbell(self._context, self._tail)

    def _new_context(self) -> Context:
        self._tail = 0
        context = self.function.create_context(
            self._space,
            self._control.address + self._ring,
            self._depth * _JOB_SIZE,
            on_interrupt=lambda: self.interrupted(),  # noqa: PLW0108 - which may be replaced
            on_fault=self._banned,
        )
        context.programs = self.programs
        return context

    def interrupted(self) -> None:
        """The GPU's interrupt handler."""
        self._signal_done()

    def hang(self, why: str) -> None:
        """Have the GPU take the job that it is at for one that hangs."""
        self.function.reset(self._context, why)

    def _signal_done(self) -> None:
        """Signal the fences of all jobs that the fence page says are done."""
        if self.timeline.closed:
            return
        done = int.from_bytes(self._words[:4].tobytes(), "little")
        now_ns, seqno = self.function.now_ns(), self.timeline.value
        while self._running and self._running[0].seqno & _SEQNO_MASK <= done:
            batch = self._running.popleft()
            self._batches.append(batch.address)
            seqno = batch.seqno
            self.jobs += 1
            self.on_job(now_ns - batch.submitted_ns)
        self.timeline.signal(seqno, now_ns=now_ns)
        self._feed()

    def _banned(self, fault: GpuFault) -> None:
        """Go on with another context; what was in the ring of this one is lost."""
        self._signal_done()  # whose interrupts may be on their way
        lost = [*self._running]
        self._running.clear()
        self._batches += [batch.address for batch in lost]
        self.function.destroy_context(self._context)
        self._context = self._new_context()
        now_ns = self.function.now_ns()
        for position, batch in enumerate(lost):
            error = -errno.ECANCELED if position else fault.error
            self.timeline.signal(batch.seqno, error, now_ns=now_ns)
        self.on_fault(fault)
        self._feed()

"""The engine: works off the contexts' rings, one command after the other, in modelled time.

The command processor comes to a command, checks it and knows its cost (`guest.gpu.execute`,
`guest.gpu.cost`); when that time is over its effect is there and the next command follows. Whose it is says
an arbiter: between jobs, or, when it preempts, between any two commands. A job is what lies between two
interrupts in a ring.

A watchdog looks after every batch. One that has run, or waited for a semaphore, for longer than
`CostModel.hang_ns` hangs: the engine is reset and its context banned; no other guest's work is lost. A
context that does anything else wrong is banned as well, without a reset, as drm/xe bans a queue. Its driver
learns of it through `Context.on_fault`.

Sans-IO: it lives by the appointments that it makes on the clock that it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from guest.gpu.arbiter import Arbiter
from guest.gpu.commands import Call, Command, End, Interrupt, Jump, Nop, Store, StorePhysical, Wait
from guest.gpu.context import Client, Context
from guest.gpu.cost import CostModel, Work
from guest.gpu.execute import Step, plan
from guest.gpu.faults import BadCommand, GpuFault, Hang
from virtio.clock.calendar import Cancellable, Clock


class Engine:
    """One engine.

    Args:
        clock: The run's.
        cost: What its work costs.
        arbiter: Shares it among guests.

    Attributes:
        resets: How often it had to be reset.
        busy_ns: Time that it worked.
    """

    def __init__(self, clock: Clock, cost: CostModel, arbiter: Arbiter) -> None:
        self.resets = self.busy_ns = 0
        self._clock, self._cost, self._arbiter = clock, cost, arbiter
        self._contexts: list[Context] = []
        self._running: Context | None = None  # whose command is being executed
        self._event: Cancellable | None = None  # the end of that, or of a reset
        self._inside: Context | None = None  # whose job has begun
        self._last: Context | None = None
        self._arrivals = 0
        arbiter.bind(clock, self)

    def add(self, context: Context) -> None:
        """Work for one more context."""
        self._contexts.append(context)

    def remove(self, context: Context) -> None:
        """Drop a context and all that it has left to do."""
        self._contexts.remove(context)
        self._abandon(context)
        self.dispatch()

    def doorbell(self, context: Context, tail: int) -> None:
        """Commands were written into a context's ring, up to `tail`."""
        if context.fault is not None:
            return
        if not context.has_work:
            self._arrive(context)
        context.tail = tail
        self._clock.call_at(self._clock.now_ns() + self._cost.doorbell_ns, self.dispatch)

    @property
    def busy(self) -> bool:
        """Whether a job has begun and not ended."""
        return self._inside is not None or self._event is not None

    def has_work(self, client: Client) -> bool:
        """Whether any context of a client could run now."""
        return any(context.client is client for context in self._ready())

    def dispatch(self) -> None:
        """Begin the next command, unless one is being executed or there is none."""
        while self._event is None:
            inside = None if self._arbiter.preempts else self._inside
            context = inside or self._arbiter.pick(self._ready())
            if context is None:
                return
            try:
                self._begin(context)
            except GpuFault as fault:
                self._ban(context, fault)

    def _arrive(self, context: Context) -> None:
        self._arrivals += 1
        context.queued = self._arrivals

    def _ready(self) -> list[Context]:
        ready = []
        for context in list(self._contexts):
            try:
                if context.has_work and context.may_go_on:
                    ready.append(context)
            except GpuFault as fault:  # what it waits for has gone
                self._ban(context, fault)
        return ready

    def _begin(self, context: Context) -> None:
        command, size = context.fetch()
        step = self._step(context, command)
        duration_ns = self._cost.duration_ns(step.work)
        if context is not self._last:
            duration_ns += self._cost.switch_ns
        self._last = self._running = self._inside = context
        context.waiting = None
        context.since_ns = self._clock.now_ns()
        self._event = self._clock.call_at(
            context.since_ns + duration_ns, partial(self._finish, context, command, size, step)
        )

    def _finish(self, context: Context, command: Command, size: int, step: Step) -> None:
        """A command's time is over: it takes effect, and the engine goes on."""
        self._stop_the_clock()
        context.advance(size)
        try:
            step.effect()
        except GpuFault as fault:
            self._ban(context, fault)
        if isinstance(command, Interrupt) or not context.has_work:
            self._inside = None
            self._arrive(context)
        self.dispatch()

    def _stop_the_clock(self) -> None:
        """Count the time since `_begin`."""
        context, self._running, self._event = self._running, None, None
        if context is not None:
            spent_ns = self._clock.now_ns() - context.since_ns
            context.ran_ns += spent_ns
            context.client.busy_ns += spent_ns
            self.busy_ns += spent_ns

    def _step(self, context: Context, command: Command) -> Step:
        """What a command will do; those that steer the engine itself are here."""
        space, extra_ns = context.space, 0
        effect: Callable[[], object]
        match command:
            case Nop():
                effect = _nothing
            case End():
                effect = partial(self._leave_batch, context)
            case Call(address):
                if context.batch is not None:
                    raise BadCommand("a batch cannot call another one")
                effect = partial(self._enter_batch, context, address)
            case Jump(address):
                if context.batch is None:
                    raise BadCommand("a ring cannot jump: its end is its beginning")
                extra_ns = self._cost.spin_ns * (address <= context.batch)
                effect = partial(setattr, context, "batch", address)
            case Store(address, value):
                effect = partial(space.store, address, value)
            case StorePhysical(address, value):
                effect = partial(space.store_physical, address, value)
            case Wait():
                space.load(command.address)  # a semaphore has to be somewhere
                effect = partial(self._wait, context, command)
            case Interrupt():
                effect = context.on_interrupt
            case _:
                return plan(command, space, context.programs)
        return Step(Work(extra_ns=extra_ns), effect)

    def _enter_batch(self, context: Context, address: int) -> None:
        context.batch, context.ran_ns = address, 0
        self._watch(context, self._cost.hang_ns)

    def _leave_batch(self, context: Context) -> None:
        if context.batch is None:
            raise BadCommand("a ring has no end")
        context.batch = None
        if context.watchdog is not None:
            context.watchdog.cancel()

    def _wait(self, context: Context, command: Wait) -> None:
        """Let others work while a semaphore has not been signalled."""
        context.waiting = command
        if not context.may_go_on:
            context.since_ns = self._clock.now_ns()
            self._inside = None

    def _watch(self, context: Context, patience_ns: int) -> None:
        context.watchdog = self._clock.call_at(
            self._clock.now_ns() + patience_ns, partial(self._bark, context)
        )

    def _bark(self, context: Context) -> None:
        """A batch has not ended in time, which counts only as far as it had the engine, or waited."""
        used_ns = context.ran_ns
        if context is self._running or context.waiting is not None:
            used_ns += self._clock.now_ns() - context.since_ns
        if used_ns < self._cost.hang_ns:
            self._watch(context, self._cost.hang_ns - used_ns)
            return
        what = "waits for a semaphore that is never signalled" if context.waiting else "does not end"
        self.reset(context, f"its batch {what}; reset after {used_ns / 1e6:g} ms")

    def reset(self, context: Context, why: str) -> None:
        """The engine is reset because a context hangs, which is banned."""
        self._ban(context, Hang(f"{context.client.name}: {why}"))
        self.resets += 1
        if self._event is None:
            self._event = self._clock.call_at(self._clock.now_ns() + self._cost.reset_ns, self._restart)

    def _restart(self) -> None:
        self._event = None
        self.dispatch()

    def _ban(self, context: Context, fault: GpuFault) -> None:
        self._abandon(context)
        context.fault = fault
        context.on_fault(fault)

    def _abandon(self, context: Context) -> None:
        """Do nothing more for a context."""
        if self._running is context and self._event is not None:
            self._event.cancel()
            self._stop_the_clock()
        if context.watchdog is not None:
            context.watchdog.cancel()
        if self._inside is context:
            self._inside = None
        context.batch, context.waiting, context.tail = None, None, context.head


def _nothing() -> None:
    """What a `Nop` does."""

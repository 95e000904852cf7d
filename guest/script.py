"""A guest that does what a script says: commits between their fences, cursors and modes, each in its time.

    async def script(kms: Kms) -> None:
        first = kms.framebuffer(Picture(rgba))
        gate = kms.after(0.020)  # 20 ms: what a GPU would take
        flip = kms.commit(first, in_fence=gate)
        await kms.wait(flip.out)

    await machine.attach(ScriptedGuest(script))

The script is a coroutine that runs on the run's clock, and on no event loop: all that it awaits is a fence in
the end, so that on the virtual clock the same script does the same at the same nanosecond in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

from guest.bare import BareGuest
from guest.damage import Rectangles, checked_damage
from guest.driver import GpuDriver, GuestRam, Scanout
from guest.driver.atomic import Crtc, CrtcState, CursorState, Flip
from guest.driver.framebuffer import Framebuffer
from guest.driver.session import DriverState
from guest.memory import DEFAULT_SIZE
from guest.picture import Picture
from virtio.clock import Clock
from virtio.clock.calendar import NANOSECONDS
from virtio.clock.deferred import Deferred
from virtio.errors import Misuse
from virtio.fence import Fence
from virtio.memory import GuestMemory

Script: TypeAlias = "Callable[[Kms], Coroutine[Any, Any, None]]"


class Kms:
    """What a script has: the displays, framebuffers and commits of its guest, and the run's time.

    Args:
        driver: Has probed its device.
        clock: The run's.

    Attributes:
        driver: For what is not here.
    """

    def __init__(self, driver: GpuDriver, clock: Clock) -> None:
        self.driver = driver
        self._clock = clock
        self._crtcs: dict[int, Crtc] = {}
        self._framebuffers: dict[int, Framebuffer] = {}  # by resource
        self._changed = Fence()

    # Pictures.

    @property
    def displays(self) -> list[Scanout]:
        """What the device says of each scanout: whether a monitor is there, its mode and its EDID."""
        return self.driver.scanouts

    def framebuffer(self, picture: Picture) -> Framebuffer:
        """A framebuffer with a picture in it; `framebuffer.pixels` are there to be painted over.

        Raises:
            Misuse: There is no memory for it.
        """
        blob = picture.resource == "blob"
        made = Framebuffer(self.driver, picture.size, picture.format, stride=picture.stride, blob=blob)
        picture.write(made.pixels)
        self._framebuffers[made.resource_id] = made
        return made

    def destroy(self, framebuffer: Framebuffer) -> None:
        """Give one up; the host takes it off the screen, if it is there.

        Raises:
            Misuse: It was given up already.
        """
        if self._framebuffers.pop(framebuffer.resource_id, None) is None:
            raise Misuse("this framebuffer was given up already")
        framebuffer.destroy()
        self.driver.notify()

    # Commits.

    def commit(
        self,
        primary: Framebuffer,
        *,
        scanout: int = 0,
        in_fence: Fence | None = None,
        cursor: CursorState | None = None,
        release_apart: bool = False,
        damage: Rectangles = None,
    ) -> Flip:
        """Change what a scanout shows, all of it together; see `guest.driver.atomic`.

        A framebuffer of another size sets another mode: the scanout has that of its framebuffer.

        Args:
            primary: A framebuffer for the primary plane.
            scanout: Which one.
            in_fence: Nothing is shown before it signals; None: before those who write to `primary` are done.
            cursor: The cursor plane; None: it stays.
            release_apart: Let what was shown before come back by `Flip.release`; with the policy "out-fence".
            damage: What of `primary` differs from what is shown before it; None: everything.

        Returns:
            The commit on its way: `Flip.out` signals when the device has taken it.

        Raises:
            CommitRefused: EBUSY: a flip is pending. EINVAL: a wrong cursor.
            Misuse: There is no such scanout, or the damage is none.
        """
        rects = checked_damage(damage, primary.size, "commit")
        flip = self.crtc(scanout).commit(CrtcState(primary, in_fence, cursor, release_apart, rects))
        assert flip is not None  # a primary plane was committed
        return flip

    def set_cursor(self, cursor: CursorState, scanout: int = 0) -> None:
        """Change the cursor plane alone.

        Raises:
            CommitRefused: EINVAL: a picture that is not 64x64, or not B8G8R8A8.
            Misuse: There is no such scanout.
        """
        self.crtc(scanout).commit(CrtcState(cursor=cursor))

    def turn_off(self, scanout: int = 0) -> None:
        """Show nothing any more; a later commit turns it on again."""
        self.crtc(scanout).turn_off()
        del self._crtcs[scanout]
        self.driver.notify()

    def crtc(self, scanout: int = 0) -> Crtc:
        """A scanout's commits, to check or count them.

        Raises:
            Misuse: There is no such scanout.
        """
        if not 0 <= scanout < len(self.displays):
            raise Misuse(f"there is no scanout {scanout}; the device has {len(self.displays)}")
        if scanout not in self._crtcs:
            self._crtcs[scanout] = Crtc(self.driver, scanout)
        return self._crtcs[scanout]

    # Time and fences.

    @property
    def now_ns(self) -> int:
        """The run's time, nanoseconds since its start."""
        return self._clock.now_ns()

    def fence(self) -> Fence:
        """A fence for the script, or the test, to signal."""
        return Fence()

    def after(self, seconds: float) -> Fence:
        """A fence that signals so much later, as that of a GPU's job does.

        Raises:
            Misuse: The time is negative.
        """
        if not seconds >= 0:
            raise Misuse(f"{seconds} s: time passes forwards only")
        fence = Fence()
        when_ns = self._clock.now_ns() + round(seconds * NANOSECONDS)
        self._clock.call_at(when_ns, lambda: None if fence.signaled else fence.signal(now_ns=when_ns))
        return fence

    async def wait(self, fence: Fence) -> int:
        """Wait for a fence; returns its status: 1, or the negative errno of work that failed."""
        await _Awaited(fence)
        return fence.status

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await self.wait(self.after(seconds))

    async def display_change(self) -> list[Scanout]:
        """Wait until a monitor was plugged, unplugged or switched; returns what there is then."""
        await self.wait(self._changed)
        return self.displays

    # For the guest that runs the script.

    def displays_changed(self) -> None:
        """The device told of other monitors."""
        changed, self._changed = self._changed, Fence()
        changed.signal()

    def close(self) -> None:
        """Everything is over, and the device was reset: give the memory back."""
        for crtc in self._crtcs.values():
            crtc.close()
        for framebuffer in self._framebuffers.values():
            framebuffer.release()
        self._crtcs.clear()
        self._framebuffers.clear()


class _Awaited:
    """What a script awaits in the end."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def __await__(self) -> Generator[Fence, None, None]:
        if not self._fence.signaled:
            yield self._fence


class ScriptedGuest(BareGuest):
    """One virtual machine whose screen is a script's; the script begins anew with every boot.

    What the script raises ends the guest. When it returns, its last picture stays.

    Args:
        script: `async def script(kms: Kms) -> None`.
        name: For people and statistics; by default the function's.
        sync: What the host's flushes wait for; see `guest.SimulatedGuest`.
        seed: Of where its pages lie; None takes the machine's.
        memory: Guest memory in bytes.

    Attributes:
        finished: Whether the script has returned.

    Raises:
        Misuse: It is no such function, or there is no such kind of synchronisation.
    """

    exact_damage = True

    def __init__(
        self,
        script: Script,
        *,
        name: str | None = None,
        sync: str = "release",
        seed: int | None = None,
        memory: int = DEFAULT_SIZE,
    ) -> None:
        if not iscoroutinefunction(script) and not iscoroutinefunction(getattr(script, "__call__", None)):  # noqa: B004
            raise Misuse(f"{script!r} is no script; give a function `async def script(kms)`")
        own = getattr(script, "__name__", "script").strip("<>")
        super().__init__(name or own, sync=sync, seed=seed, memory=memory)
        self.finished = False
        self._script = script
        self._clock: Clock | None = None
        self._kms: Kms | None = None
        self._run: _Run | None = None

    def _prepare(self, ram: GuestRam, _seed: int, clock: Clock | None) -> GuestMemory:
        if clock is None:
            raise Misuse(f"guest {self.name}: a script needs the run's clock: attach(..., clock=)")
        self._clock = clock
        return ram.memory

    def _drive(self, driver: GpuDriver) -> None:
        driver.on_ready, driver.on_display_change = self._begin, self._displays_changed

    def _begin(self) -> None:
        assert self._clock is not None
        self.finished = False
        self._kms = Kms(self.driver, self._clock)
        self._run = _Run(self.name, self._script(self._kms), self._clock, self._end)

    def _end(self) -> None:
        self.finished = True

    def _displays_changed(self) -> None:
        if self._kms is not None and self.driver.state is DriverState.RUNNING:
            self._kms.displays_changed()

    def _drop(self) -> None:
        run, self._run = self._run, None
        kms, self._kms = self._kms, None
        if run is not None:
            run.close()
        if kms is not None:
            kms.close()


class _Run:
    """A coroutine on a clock: whenever the fence has signalled that it awaits, it goes on.

    Args:
        name: The guest's, for messages.
        coroutine: Not begun yet.
        clock: Where it runs, in calls of its own.
        end: Called when it has returned.
    """

    def __init__(
        self, name: str, coroutine: Coroutine[Any, Any, None], clock: Clock, end: Callable[[], None]
    ) -> None:
        self._name, self._coroutine, self._end = name, coroutine, end
        self._deferred, self._closed = Deferred(clock), False
        self._deferred.add(self._go_on)

    def _go_on(self) -> None:
        try:
            awaited = self._coroutine.send(None)
        except StopIteration:
            self._end()
            return
        if not isinstance(awaited, Fence):
            self._coroutine.close()
            raise Misuse(
                f"guest {self._name}: its script awaits {type(awaited).__name__}; on the run's clock there "
                "are kms.wait, kms.sleep and kms.display_change"
            )
        awaited.add_callback(self._wake)

    def _wake(self, _fence: Fence) -> None:
        if not self._closed:
            self._deferred.add(self._go_on)

    def close(self) -> None:
        """Never go on."""
        self._closed = True
        self._deferred.clear()
        self._coroutine.close()

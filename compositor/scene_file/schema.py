"""What a scene file may say: every table and key, with its type. `msgspec` holds files to it.

Times are in seconds or, where the name says so, milliseconds. Sizes and positions are in pixels; a number
with a decimal point is a share of the output's width or height instead.
"""

from __future__ import annotations

from typing import Any, Literal, Union

from msgspec import Struct, field

from compositor.faults import AnyFault
from compositor.output.plane import CURSOR_SIZE

Pixels = Union[int, float]  # noqa: UP007 - msgspec reads it at run time
Colour = str
LimitValue = Union[int, str]  # noqa: UP007


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; what it does not know is refused."""


class OutputTable(Table, frozen=True, kw_only=True):
    """`[[outputs]]`: a monitor, or with `plugged = false` a connector without one.

    Attributes:
        mode: Width, height and refresh rate, "1024x768@60".
        name: For events and statistics; by default numbered.
        modes: Those that it can switch to; empty: any.
        position: [x, y] in the layout of outputs; by default to the right of those before it.
        background: "#rrggbb" where no guest is.
        plugged: Whether it is there from the start.
        direct_scanout: Whether a buffer that fills it may be scanned out as it is.
        pacing: When frames are begun for it: "delay=9", "window=7" (milliseconds), "adaptive" or "triple"; by
            default at its vblanks, or with `repaint = "flush"` when a guest flushes.
        variable_refresh: [lowest, highest] refresh rate in hertz of a monitor that waits for frames.
        overlays: How many overlay planes its display engine has; a window has none.
        cursor_size: Largest width and height of its cursor plane; 0: it has none.
        linear_light: Whether guests are blended by amounts of light instead of codes of colours.
    """

    mode: str = "1024x768@60"
    name: str = ""
    modes: list[str] = field(default_factory=list)
    position: tuple[int, int] | None = None
    background: Colour = "#000000"
    plugged: bool = True
    direct_scanout: bool = True
    pacing: str | None = None
    variable_refresh: tuple[float, float] | None = None
    overlays: int = 0
    cursor_size: int = CURSOR_SIZE
    linear_light: bool = False


class PlaceTable(Table, frozen=True, kw_only=True):
    """`[[guests.places]]`: where one scanout appears; a guest has as many scanouts as places.

    Attributes:
        output: Its name; by default the first one.
        mirrors: Names of further outputs that show the same at the same place.
        span: Lie in the layout of outputs, on as many of them as it reaches, instead of on one.
        x: From the output's left edge; with `span`, in the layout.
        y: As `x`, from its top edge.
        width: What the guest is told; by default the output's, with `span` the layout's.
        height: As `width`.
        z: Stacking order; of equals, the later guest is above.
        clip: [x, y, width, height] of the guest's picture that are shown.
        opacity: From 0.0 to 1.0.
        transform: "normal", "90", "180" or "270", counter-clockwise; "flipped", "flipped-90" and so on.
    """

    output: str | None = None
    mirrors: list[str] = field(default_factory=list)
    span: bool = False
    x: Pixels = 0
    y: Pixels = 0
    width: Pixels | None = None
    height: Pixels | None = None
    z: int = 0
    clip: tuple[int, int, int, int] | None = None
    opacity: float = 1.0
    transform: str = "normal"


class GuestTable(Table, frozen=True, kw_only=True, tag_field="kind"):
    """What all `[[guests]]` have in common.

    Attributes:
        name: For events and statistics; by default its workload's or kind's.
        places: One for each scanout.
        sync: What its flushes wait for.
        memory: MiB.
        limits: What it may use of this process, instead of the scene's; see [limits](limits.md).
    """

    name: str = ""
    places: list[PlaceTable] = field(default_factory=list)
    sync: str = "release"
    memory: int | None = None
    limits: dict[str, LimitValue] = field(default_factory=dict)


class SimulatedTable(GuestTable, frozen=True, kw_only=True, tag="simulated"):
    """`kind = "simulated"`.

    Attributes:
        workload: What it draws: a workload's name, or with `--allow-programs` `module:Class` or a PNG's path.
        arguments: Keyword arguments for `module:Class`, or for the picture of a PNG; they need the same.
        seed: Of all that is random in it; by default counted on from the scene's.
        render_ms: How long it draws; 0: no time, once a refresh.
        patience_ms: How long it waits for a flip's fence; by default for ever.
    """

    workload: str
    arguments: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    render_ms: float = 0
    patience_ms: float | None = None


class UmlTable(GuestTable, frozen=True, kw_only=True, tag="uml"):
    """`kind = "uml"`: a real Linux kernel in User Mode Linux; keys as the options of `scanout boot uml`.

    Attributes:
        program: A guest program that ships.
        command: What it runs in place of a program, with its arguments.
        kernel: The kernel to boot; by default the one that `scanout kernel path` names.
        initrd: An initramfs of your own.
        root: A directory as the guest's root (hostfs).
    """

    program: str | None = None
    command: list[str] = field(default_factory=list)
    kernel: str | None = None
    initrd: str | None = None
    root: str | None = None


class QemuTable(GuestTable, frozen=True, kw_only=True, tag="qemu"):
    """`kind = "qemu"`: a stock QEMU on the real clock; keys as the options of `scanout boot qemu`.

    Attributes:
        program: A guest program that ships.
        command: What it runs in place of a program, with its arguments.
        kernel: The kernel to boot; by default Debian's.
        initrd: An initramfs of your own.
        arch: The guest's processor.
        arguments: Further arguments for QEMU.
    """

    program: str | None = None
    command: list[str] = field(default_factory=list)
    kernel: str | None = None
    initrd: str | None = None
    arch: Literal["x86_64", "aarch64"] = "x86_64"
    arguments: list[str] = field(default_factory=list)


class TimingTable(Table, frozen=True, kw_only=True):
    """`[timing]`: what work costs on the virtual clock; see `compositor.frame_clock.timing.TimingModel`.

    Attributes:
        command_ms: From a kick of a guest in a process of its own to the device's work.
        compose_ms: The compositor's work on a frame.
        scanout_ms: From the finished frame to its first pixel on the screen, where repaint is "flush".
        repaint_delay_ms: How long after a vblank the compositor repaints, for the next one to show.
    """

    command_ms: float = 0
    compose_ms: float = 0
    scanout_ms: float = 0
    repaint_delay_ms: float = 0


class EventTable(Table, frozen=True, kw_only=True, tag_field="do"):
    """`[[events]]`: what happens, and `at` which second.

    Attributes:
        at: Seconds after the start, on the run's clock.
    """

    at: float


class Plug(EventTable, frozen=True, kw_only=True, tag="plug"):
    """`do = "plug"`: a monitor is plugged in where there was none, perhaps with another mode.

    Attributes:
        output: The output's name.
        mode: By default the one that it had.
    """

    output: str
    mode: str | None = None


class Unplug(EventTable, frozen=True, kw_only=True, tag="unplug"):
    """`do = "unplug"`: a monitor is taken away.

    Attributes:
        output: The output's name.
    """

    output: str


class SetMode(EventTable, frozen=True, kw_only=True, tag="mode"):
    """`do = "mode"`: an output switches to another mode.

    Attributes:
        output: The output's name.
        mode: As in `[[outputs]]`.
    """

    output: str
    mode: str


class Move(EventTable, frozen=True, kw_only=True, tag="move"):
    """`do = "move"`: a scanout appears elsewhere; what is not said stays as it was.

    Attributes:
        guest: The guest's name.
        scanout: Number of its scanout.
        output: As in `[[guests.places]]`, like all that follow.
    """

    guest: str
    scanout: int = 0
    output: str | None = None
    mirrors: list[str] | None = None
    x: Pixels | None = None
    y: Pixels | None = None
    width: Pixels | None = None
    height: Pixels | None = None
    z: int | None = None
    clip: tuple[int, int, int, int] | None = None
    opacity: float | None = None
    transform: str | None = None


class Raise(EventTable, frozen=True, kw_only=True, tag="raise"):
    """`do = "raise"`: a scanout comes to lie above all others.

    Attributes:
        guest: The guest's name.
        scanout: Number of its scanout.
    """

    guest: str
    scanout: int = 0


class SetSync(EventTable, frozen=True, kw_only=True, tag="sync"):
    """`do = "sync"`: a guest's flushes wait for something else.

    Attributes:
        guest: The guest's name.
        policy: As `sync` of a guest.
    """

    guest: str
    policy: str


class InjectFault(EventTable, frozen=True, kw_only=True, tag="fault"):
    """`do = "fault"`: a simulated guest's driver breaks the specification.

    Attributes:
        guest: The guest's name.
        fault: Its name in the catalogue `guest.faults.FAULTS`.
    """

    guest: str
    fault: str


AnyGuest = Union[SimulatedTable, UmlTable, QemuTable]  # noqa: UP007
OwnEvent = Plug | Unplug | SetMode | Move | Raise | SetSync | InjectFault
AnyEvent = Union[OwnEvent, AnyFault]  # noqa: UP007


class SceneTable(Table, frozen=True, kw_only=True):
    """The file.

    Attributes:
        title: One line.
        seed: Of all that is random.
        clock: By default virtual, unless a guest cannot have it.
        repaint: When outputs are repainted: on the vblank grid, or as soon as a guest flushes; by default the
            latter where there is a real guest.
        seconds: When to stop, unless an option says so.
        frames: The same, in frames of the first output.
        timing: What work costs.
        limits: What each guest, and all together, may use of this process: `host_memory = "256M"`; see
            [limits](limits.md).
        outputs: The monitors; by default one of 1024x768@60.
        guests: Who shows something.
        events: What happens while they run, and what goes wrong.
    """

    title: str = ""
    seed: int = 0
    clock: Literal["virtual", "real"] | None = None
    repaint: Literal["vblank", "flush"] | None = None
    seconds: float | None = None
    frames: int | None = None
    timing: TimingTable = TimingTable()
    limits: dict[str, LimitValue] = field(default_factory=dict)
    outputs: list[OutputTable] = field(default_factory=lambda: [OutputTable()])
    guests: list[AnyGuest] = field(default_factory=list)
    events: list[AnyEvent] = field(default_factory=list)

"""Scripts of faults: what goes wrong in a run, and when, as plain data.

A script is the same in Python, in a scene file and in a file of its own:

    Script((LoseInterrupts("gears", frame=30), Kill("plasma", at=0.5)))

    [[events]]
    do = "lose-interrupts"
    guest = "gears"
    frame = 30

    [[events]]
    do = "kill"
    guest = "plasma"
    at = 0.5

These faults happen to guests, signals and monitors. What a hostile driver sends is another catalogue,
`guest.faults`; an event `do = "fault"` of a scene file takes from that one.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Literal, Self

import msgspec
from msgspec import Struct

from compositor.errors import BadInput
from compositor.files import write_atomically
from virtio.regular import read_regular

_MOST_BYTES = 1 << 17

Queue = Literal["control", "cursor"]
Signal = Literal["control", "cursor", "config"]
Source = Literal["flush", "gpu"]


class ScriptedFault(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    repr_omit_defaults=True,
    tag_field="do",
):
    """When a fault happens: at a time, or at a moment of an output or of a guest.

    Attributes:
        at: Seconds after the start, on the run's clock; or after the moment that `frame`, `commit` or
            `command` names.
        frame: The moment at which this frame of an output is on the screen, before a guest hears of it.
        commit: The moment at which this frame of an output is due, before it is committed.
        command: The moment at which a guest's device takes a command of this name, before it carries it out.
        nth: Which of these commands, counted from the start.
        of: The output or the guest of that moment, by its name; by default the first output, and the guest
            that the fault happens to, or the first one.
    """

    at: float = 0.0
    frame: int | None = None
    commit: int | None = None
    command: str | None = None
    nth: int = 1
    of: str = ""

    @property
    def kind(self) -> str:
        """What it is called in a scene file: `do`."""
        return str(self.__struct_config__.tag)

    def toml(self) -> str:
        """It as a table of a scene file; what is as by default is left out."""
        lines = ["[[events]]", f"do = {json.dumps(self.kind)}"]
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if field.required or value != field.default:
                lines.append(f"{field.name} = {json.dumps(value, ensure_ascii=False)}")
        return "\n".join(lines) + "\n"


# Signals that go astray.


class LoseKicks(ScriptedFault, frozen=True, tag="lose-kicks"):
    """`do = "lose-kicks"`: kicks of a simulated guest do not reach its device.

    Attributes:
        guest: The guest's name.
        queue: Of which queue.
        count: How many.
    """

    guest: str
    queue: Queue = "control"
    count: int = 1


class DelayKicks(ScriptedFault, frozen=True, tag="delay-kicks"):
    """`do = "delay-kicks"`: kicks of a simulated guest reach its device late.

    Attributes:
        guest: The guest's name.
        ms: How late.
        queue: Of which queue.
        count: How many.
    """

    guest: str
    ms: float = 5.0
    queue: Queue = "control"
    count: int = 1


class ReorderKicks(ScriptedFault, frozen=True, tag="reorder-kicks"):
    """`do = "reorder-kicks"`: a kick of a simulated guest comes behind the one that follows it.

    Attributes:
        guest: The guest's name.
        ms: Where none follows: how late it comes.
        queue: Of which queue the one is that waits; the other may be of any.
        count: How often.
    """

    guest: str
    ms: float = 5.0
    queue: Queue = "control"
    count: int = 1


class LoseInterrupts(ScriptedFault, frozen=True, tag="lose-interrupts"):
    """`do = "lose-interrupts"`: interrupts of a guest's device do not reach its driver.

    Attributes:
        guest: The guest's name.
        queue: Those of a queue that has used buffers, or of the config space, where monitors change.
        count: How many.
    """

    guest: str
    queue: Signal = "control"
    count: int = 1


class DelayInterrupts(ScriptedFault, frozen=True, tag="delay-interrupts"):
    """`do = "delay-interrupts"`: interrupts of a guest's device reach its driver late.

    Attributes:
        guest: The guest's name.
        ms: How late.
        queue: See `lose-interrupts`.
        count: How many.
    """

    guest: str
    ms: float = 5.0
    queue: Signal = "control"
    count: int = 1


class ReorderInterrupts(ScriptedFault, frozen=True, tag="reorder-interrupts"):
    """`do = "reorder-interrupts"`: an interrupt comes behind the one that follows it.

    Attributes:
        guest: The guest's name.
        ms: Where none follows: how late it comes.
        queue: Which one waits; the other may be any.
        count: How often.
    """

    guest: str
    ms: float = 5.0
    queue: Signal = "control"
    count: int = 1


# Fences.


class DelayFences(ScriptedFault, frozen=True, tag="delay-fences"):
    """`do = "delay-fences"`: fences signal late.

    Attributes:
        guest: The guest's name.
        ms: How late.
        source: "flush": the fences of its flushes, which the host signals; "gpu": those of its GPU, for which
            its flips wait.
        count: How many.
    """

    guest: str
    ms: float = 20.0
    source: Source = "flush"
    count: int = 1


class LoseFences(ScriptedFault, frozen=True, tag="lose-fences"):
    """`do = "lose-fences"`: fences of a guest's flushes never signal; of its GPU: their interrupt is lost.

    Attributes:
        guest: The guest's name.
        source: See `delay-fences`.
        count: How many.
    """

    guest: str
    source: Source = "flush"
    count: int = 1


class FailFences(ScriptedFault, frozen=True, tag="fail-fences"):
    """`do = "fail-fences"`: fences end with an error; of its GPU: its engine is reset over the next job.

    Attributes:
        guest: The guest's name.
        source: See `delay-fences`.
        count: How many.
    """

    guest: str
    source: Source = "flush"
    count: int = 1


# Guests.


class Stall(ScriptedFault, frozen=True, tag="stall"):
    """`do = "stall"`: a guest's processors stand still; its device and its GPU go on.

    Attributes:
        guest: The guest's name.
        ms: How long.
    """

    guest: str
    ms: float = 100.0


class Kill(ScriptedFault, frozen=True, tag="kill"):
    """`do = "kill"`: a guest is gone from one moment to the next.

    Attributes:
        guest: The guest's name.
    """

    guest: str


class Reboot(ScriptedFault, frozen=True, tag="reboot"):
    """`do = "reboot"`: the driver of a simulated guest resets its device, and boots again.

    Attributes:
        guest: The guest's name.
        ms: How long the device stays as it is after its reset.
    """

    guest: str
    ms: float = 0.0


class NeedReset(ScriptedFault, frozen=True, tag="needs-reset"):
    """`do = "needs-reset"`: a simulated guest's device stops, and sets NEEDS_RESET.

    Attributes:
        guest: The guest's name.
    """

    guest: str


class Scribble(ScriptedFault, frozen=True, tag="scribble"):
    """`do = "scribble"`: a simulated guest draws into frames that the compositor is about to read.

    Attributes:
        guest: The guest's name.
        count: How many frames.
    """

    guest: str
    count: int = 1


# Outputs.


class DropVblanks(ScriptedFault, frozen=True, tag="drop-vblanks"):
    """`do = "drop-vblanks"`: the compositor misses vblanks of an output at which it would have repainted.

    Attributes:
        output: The output's name.
        count: How many.
    """

    output: str
    count: int = 1


class Hotplug(ScriptedFault, frozen=True, tag="hotplug"):
    """`do = "hotplug"`: a monitor is taken away, and plugged in again.

    Attributes:
        output: The output's name.
        ms: How long there is none.
        mode: Of the monitor that comes; by default that of the one that went.
    """

    output: str
    ms: float = 100.0
    mode: str | None = None


KickFault = LoseKicks | DelayKicks | ReorderKicks
InterruptFault = LoseInterrupts | DelayInterrupts | ReorderInterrupts
FenceFault = DelayFences | LoseFences | FailFences
GuestFault = Stall | Kill | Reboot | NeedReset | Scribble
AnyFault = KickFault | InterruptFault | FenceFault | GuestFault | DropVblanks | Hotplug


class Script(Struct, frozen=True, forbid_unknown_fields=True):
    """Faults, in any order.

    Attributes:
        events: The faults.
    """

    events: tuple[AnyFault, ...] = ()

    def toml(self) -> str:
        """It as text: `[[events]]` of a scene file."""
        return "\n".join(fault.toml() for fault in self.events)

    @classmethod
    def parse(cls, text: str, name: str = "script") -> Self:
        """The script in a text.

        Raises:
            BadInput: The text is none; the message begins with `name`, and says where.
        """
        try:
            return msgspec.convert(tomllib.loads(text), cls)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise BadInput(f"{name}: no script of faults: {error}") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """The script in a file.

        Raises:
            BadInput: It cannot be read, has more than 128 KiB, or holds none.
        """
        try:
            return cls.parse(read_regular(path, _MOST_BYTES).decode(), str(path))
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise BadInput(f"{path}: not a text: a script of faults is a TOML file in UTF-8") from None

    def save(self, path: Path) -> None:
        """Write it to a file, which appears whole or not at all.

        Raises:
            BadInput: It cannot be written.
        """
        with write_atomically(path) as file:
            file.write(self.toml().encode())

    def __repr__(self) -> str:
        return f"Script(({', '.join(map(repr, self.events))}{',' * (len(self.events) == 1)}))"

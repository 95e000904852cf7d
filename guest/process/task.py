"""What a guest's process is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from guest.memory import DEFAULT_SIZE
from guest.picture import ShownPicture
from guest.simulated import SimulatedGuest
from virtio.arguments import check_seconds, check_type, check_whole
from virtio.errors import Misuse

PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestTask:
    """One guest, and where its host is.

    Attributes:
        socket: Where a vhost-user virtio-gpu device listens.
        time: Where a calendar listens whose time the guest takes; None: the real time.
        vblanks: The calendar announces the vblanks of the guest's display. Otherwise it
            has a timer of its own.
        workload: Its name, `module:Class`, or the path of a PNG.
        arguments: See `SimulatedGuest`; what JSON can hold.
        name: Of the guest, for its memory and for messages; empty: the workload's.
        seed: Of all that is random in it.
        size: (width, height) of its framebuffers; None: its display's.
        sync: See `SimulatedGuest`.
        memory: Bytes.
        render_ns: See `SimulatedGuest`.
        paced: Draw in every refresh; otherwise as soon as the last flip is complete.
        frames: After how many it switches itself off; None: never.
        patience_s: How long a fence may take before it counts as missed, with a timer of its own.
    """

    socket: str
    time: str | None = None
    vblanks: bool = False
    workload: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    seed: int = 0
    size: tuple[int, int] | None = None
    sync: str = "release"
    memory: int = DEFAULT_SIZE
    render_ns: int = 0
    paced: bool = True
    frames: int | None = None
    patience_s: float = PATIENCE_S

    def __post_init__(self) -> None:
        """Refuse what `SimulatedGuest` does not look at.

        Raises:
            Misuse: It is of another type.
        """
        check_type("name", self.name, str, "a text")
        if self.frames is not None:
            check_whole("frames", self.frames)
        check_seconds("patience_s", self.patience_s)

    def to_json(self) -> str:
        """For the command line of the process.

        Raises:
            Misuse: The arguments are nothing that JSON can hold.
        """
        try:
            return json.dumps(asdict(self))
        except (TypeError, ValueError) as error:
            raise Misuse(
                f"guest {self.workload}: its arguments cannot cross to another process: {error}"
            ) from None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        fields = json.loads(text)
        if fields["size"] is not None:
            fields["size"] = tuple(fields["size"])
        return cls(**fields)

    def describe(self) -> SimulatedGuest:
        """The guest, without a device.

        Raises:
            Misuse: There is no such workload or kind of synchronisation, or a picture is to be shown so many
                times.
        """
        guest = SimulatedGuest(
            self.workload,
            arguments=self.arguments,
            size=self.size,
            seed=self.seed,
            name=self.name or None,
            sync=self.sync,
            memory=self.memory,
            render_ns=self.render_ns,
        )
        if self.frames is not None and isinstance(guest.workload, ShownPicture):
            raise Misuse(
                f"{guest.name}: a picture is drawn once, and again when it changes, and not in frames"
            )
        return guest

    @property
    def socket_path(self) -> Path:
        """`socket` as a path."""
        return Path(self.socket)

"""Driver faults: what a broken or hostile guest does, each as an object with a name.

A fault is applied to a running driver. The device must answer with the error that the fault names, or,
when the rings themselves are broken, stop and ask for a reset; and it must serve the next guest as if
nothing had been.

    for fault in FAULTS.values():
        answers = fault.apply(guest.driver)
        assert answers == ([] if fault.expected is None else [fault.expected])
        guest.start()  # reboot

`rings` breaks the queue itself, `requests` sends commands that make no sense, `pictures` sends such as lie
about memory and pictures, `images` such as lie about images of the host's.
"""

from __future__ import annotations

from guest.faults import images, pictures, requests, rings
from guest.faults.fault import Fault

__all__ = ["FAULTS", "Fault"]

FAULTS: dict[str, Fault] = {
    fault.name: fault for module in (rings, requests, pictures, images) for fault in module.FAULTS
}
"""The catalogue, by name."""

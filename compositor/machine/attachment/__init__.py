"""Guests attached to a machine: those in this process, in one of their own, and behind a socket."""

from compositor.machine.attachment.attachment import Attachment
from compositor.machine.attachment.process import ProcessAttachment
from compositor.machine.attachment.served import ServedAttachment, TimeKeeping
from compositor.machine.attachment.simulated import SimulatedAttachment

__all__ = ["Attachment", "ProcessAttachment", "ServedAttachment", "SimulatedAttachment", "TimeKeeping"]

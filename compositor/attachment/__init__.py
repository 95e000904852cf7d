"""Guests attached to a machine: those in this process, in one of their own, and behind a socket."""

from compositor.attachment.attachment import Attachment
from compositor.attachment.process import ProcessAttachment
from compositor.attachment.served import Seat, ServedAttachment
from compositor.attachment.simulated import SimulatedAttachment

__all__ = ["Attachment", "ProcessAttachment", "Seat", "ServedAttachment", "SimulatedAttachment"]

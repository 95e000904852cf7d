"""How a handler refuses a command."""

from __future__ import annotations

from virtio.errors import DriverFault
from virtio.gpu.wire import Response


class CommandFault(DriverFault):
    """A command that the device does not carry out; nothing has changed.

    Attributes:
        response: The error that the driver gets to see.
    """

    def __init__(self, response: Response, message: str) -> None:
        super().__init__(message)
        self.response = response


def unspecified(message: str) -> CommandFault:
    """A fault for which virtio-gpu has no better error (ERR_UNSPEC)."""
    return CommandFault(Response.ERR_UNSPEC, message)


def out_of_memory(message: str) -> CommandFault:
    """A request beyond what one guest may use of the host (ERR_OUT_OF_MEMORY)."""
    return CommandFault(Response.ERR_OUT_OF_MEMORY, message)


def invalid_scanout(message: str) -> CommandFault:
    """A scanout that the device does not have (ERR_INVALID_SCANOUT_ID)."""
    return CommandFault(Response.ERR_INVALID_SCANOUT_ID, message)


def invalid_resource(message: str) -> CommandFault:
    """A resource id that names nothing, or that is taken (ERR_INVALID_RESOURCE_ID)."""
    return CommandFault(Response.ERR_INVALID_RESOURCE_ID, message)


def invalid_parameter(message: str) -> CommandFault:
    """A number that makes no sense here (ERR_INVALID_PARAMETER)."""
    return CommandFault(Response.ERR_INVALID_PARAMETER, message)

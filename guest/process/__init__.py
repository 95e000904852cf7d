"""A simulated guest in a process of its own: a vhost-user front end with its own memory.

`task` says what such a process does, `run` does it, `launch` starts it for a machine.
"""

from guest.process.launch import ProcessGuest
from guest.process.task import GuestTask

__all__ = ["GuestTask", "ProcessGuest"]

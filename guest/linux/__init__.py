"""Real guests: a Linux kernel with its real virtio-gpu driver, under UML or QEMU."""

from guest.linux.compiler import PROGRAMS
from guest.linux.errors import GuestDied, KernelUnusable, ToolFailed, ToolMissing
from guest.linux.kernel import build_kernel, check_kernel, find_kernel, stock_kernel
from guest.linux.options import GuestOptions, QemuOptions, UmlOptions
from guest.linux.preparation import prepare
from guest.linux.process import GuestProcess
from guest.linux.progress import shown_progress
from guest.linux.qemu import QemuProcess
from guest.linux.rootfs import build_rootfs, find_rootfs
from guest.linux.tool import Progress
from guest.linux.uml import UmlProcess

__all__ = [
    "UmlOptions", "UmlProcess",
    "QemuOptions", "QemuProcess",
    "GuestOptions", "GuestProcess", "PROGRAMS",
    "find_kernel", "check_kernel", "build_kernel", "stock_kernel",
    "build_rootfs", "find_rootfs",
    "prepare", "Progress", "shown_progress",
    "GuestDied", "KernelUnusable", "ToolFailed", "ToolMissing",
]  # fmt: skip

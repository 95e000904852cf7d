"""Driver side of virtio: rings, virtio-gpu commands, and a small KMS on top."""

from guest.driver.framebuffer import Framebuffer
from guest.driver.gpu import GpuDriver, Scanout
from guest.driver.kms import Swapchain
from guest.driver.ring import DeviceFault, DriverQueue
from guest.driver.session import DriverState
from guest.driver.transport import Transport
from guest.memory import GuestRam

__all__ = [
    "DeviceFault",
    "DriverQueue",
    "DriverState",
    "Framebuffer",
    "GpuDriver",
    "GuestRam",
    "Scanout",
    "Swapchain",
    "Transport",
]

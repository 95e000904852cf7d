"""A passthrough GPU: memory, page tables, command rings, an engine in modelled time, and ways to share it.

`Gpu` is the hardware, `GpuSlot` a guest's place at it, `GpuFunction` what the guest's driver
(`guest.driver.render`) gets.
"""

from guest.gpu.cost import CostModel
from guest.gpu.faults import GpuFault
from guest.gpu.gpu import FramebufferMemory, Gpu, GpuSlot

__all__ = ["CostModel", "Gpu", "GpuFault", "GpuSlot", "FramebufferMemory"]

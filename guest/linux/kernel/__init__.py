"""The kernel of a UML guest: find one, or build one from Debian's newest source."""

from guest.linux.kernel.build import build_kernel
from guest.linux.kernel.find import check_kernel, check_repeatable, find_kernel
from guest.linux.kernel.stock import Module, StockKernel, stock_kernel

__all__ = [
    "Module",
    "StockKernel",
    "build_kernel",
    "check_kernel",
    "check_repeatable",
    "find_kernel",
    "stock_kernel",
]

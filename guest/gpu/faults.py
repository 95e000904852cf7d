"""What a guest can do wrong to its GPU, each with a name and the error that its fence then carries.

None of these harms another guest: the engine goes on with the others.
"""

from __future__ import annotations

import errno
from typing import ClassVar

from virtio.errors import DriverFault


class GpuFault(DriverFault):
    """A guest's work cannot be done.

    Attributes:
        name: For statistics and reports.
        error: The negative errno that fences of the work end with.
    """

    name: ClassVar[str] = "gpu-fault"
    error: ClassVar[int] = -errno.EIO


class PageFault(GpuFault):
    """A GPU address without a page, or a write to a page that is read-only."""

    name = "gpu-page-fault"
    error = -errno.EFAULT


class BadCommand(GpuFault):
    """A command that does not exist, is cut off, or asks for pixels that its surface does not have."""

    name = "bad-command"
    error = -errno.EINVAL


class OutsidePartition(GpuFault):
    """An address that belongs to another guest."""

    name = "outside-partition"
    error = -errno.EACCES


class Hang(GpuFault):
    """A batch that does not end; -ETIME as drm_sched's drivers set it (amdgpu, xe)."""

    name = "gpu-hang"
    error = -errno.ETIME


class OutOfMemory(GpuFault):
    """No graphics memory is left in the guest's partition."""

    name = "gpu-out-of-memory"
    error = -errno.ENOMEM

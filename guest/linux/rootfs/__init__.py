"""A desktop's root directory for UML guests: Debian packages, and what makes a session of them."""

from guest.linux.rootfs.build import build_rootfs, find_rootfs

__all__ = ["build_rootfs", "find_rootfs"]

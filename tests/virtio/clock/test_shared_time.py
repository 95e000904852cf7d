import os
import struct

import pytest

from virtio.clock.shared_time import SharedTime


def test_the_header_is_the_kernels() -> None:
    """struct um_timetravel_schedshm, version 2; two clients of 128 bytes, of which the first is ours."""
    page = SharedTime()
    page.run(now_ns=7, bound_ns=9)
    memory, log = page.fds
    assert struct.unpack("=IIQQHH", os.pread(memory, 28, 0)) == (2, 4096 + 256, 9, 7, 1, 2)
    assert struct.unpack("=I", os.pread(memory, 4, 4096)) == (1,)
    assert os.write(log, b"whatever") == 8
    page.stand(11)
    assert struct.unpack("=QH", os.pread(memory, 10, 16)) == (11, 0)
    page.close()
    page.close()


def test_the_kernel_cannot_cut_the_page_short() -> None:
    page = SharedTime()
    with pytest.raises(PermissionError):
        os.ftruncate(page.fds[0], 0)
    page.close()


def test_it_is_in_use_when_the_kernel_says_so() -> None:
    page = SharedTime()
    assert not page.in_use
    os.pwrite(page.fds[0], struct.pack("=IIQ", 1, 0, 5), 4096 + 128)
    assert page.in_use
    assert page.request_ns() is None
    os.pwrite(page.fds[0], struct.pack("=IIQ", 1, 1, 5), 4096 + 128)
    assert page.request_ns() == 5
    page.close()

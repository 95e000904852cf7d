"""A VMM as small as one can be: `small_vmm.py SOCKET WIDTH HEIGHT`.

It gives its guest memory, connects it to the vhost-user virtio-gpu device that listens on SOCKET, shows one
picture there, and holds it until standard input ends. It imports nothing but the standard library.
"""

from __future__ import annotations

import array
import mmap
import os
import socket
import struct
import sys

MEMORY = 16 << 20
USER = 1 << 40  # where this process claims to have the guest's memory
DESCRIPTORS, AVAILABLE, USED = 0x0000, 0x1000, 0x2000  # of the control queue, in guest memory
REQUEST, ANSWER, PIXELS = 0x3000, 0x4000, 0x10000
SIZE = 16

# vhost-user: requests, and the bits that this front end knows.
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 16, 18
VERSION_1, PROTOCOL_FEATURES = 1 << 32, 1 << 30
REPLY_ACK, NEED_REPLY = 1 << 3, 8

# virtio-gpu
CREATE_2D, SET_SCANOUT, FLUSH, TRANSFER, ATTACH_BACKING, OK = 0x101, 0x103, 0x104, 0x105, 0x106, 0x1100
B8G8R8X8 = 2


class FrontEnd:
    """The VMM's half of vhost-user: requests, each of which waits for its answer."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(path)
        self._flags = 1

    def ask(self, request: int, payload: bytes = b"", fds: tuple[int, ...] = ()) -> bytes:
        """Send one request; returns the answer, if it has one."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        header = struct.pack("=III", request, self._flags, len(payload))
        self._socket.sendmsg([header + payload], rights)
        if not self._flags & NEED_REPLY and request not in (GET_FEATURES, GET_PROTOCOL_FEATURES):
            return b""
        _, _, size = struct.unpack("=III", self._receive(12))
        return self._receive(size)

    def change(self, request: int, payload: bytes = b"", fds: tuple[int, ...] = ()) -> None:
        """Send a request that the device can only take or refuse."""
        answer = self.ask(request, payload, fds)
        if answer and struct.unpack("=Q", answer)[0]:
            sys.exit(f"small_vmm: the device refuses request {request}")

    def negotiate(self) -> None:
        """Agree on features, and on acknowledgements from here on."""
        self.change(SET_OWNER)
        (offered,) = struct.unpack("=Q", self.ask(GET_FEATURES))
        if offered & (VERSION_1 | PROTOCOL_FEATURES) != VERSION_1 | PROTOCOL_FEATURES:
            sys.exit(f"small_vmm: the device offers {offered:#x}, which is too little")
        (protocol,) = struct.unpack("=Q", self.ask(GET_PROTOCOL_FEATURES))
        self.change(SET_PROTOCOL_FEATURES, struct.pack("=Q", protocol & REPLY_ACK))
        self._flags |= NEED_REPLY if protocol & REPLY_ACK else 0
        self.change(SET_FEATURES, struct.pack("=Q", VERSION_1 | PROTOCOL_FEATURES))

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                sys.exit("small_vmm: the device has hung up")
            data += piece
        return data


class Guest:
    """Memory, and a driver with one request at a time on the control queue."""

    def __init__(self, front_end: FrontEnd) -> None:
        fd = os.memfd_create("guest", os.MFD_CLOEXEC)
        os.ftruncate(fd, MEMORY)
        self.memory = mmap.mmap(fd, MEMORY)
        front_end.change(SET_MEM_TABLE, struct.pack("=II4Q", 1, 0, 0, MEMORY, USER, 0), (fd,))
        self._kick, self._call = os.eventfd(0), os.eventfd(0)
        front_end.change(SET_VRING_NUM, struct.pack("=II", 0, SIZE))
        front_end.change(SET_VRING_BASE, struct.pack("=II", 0, 0))
        places = (USER + DESCRIPTORS, USER + USED, USER + AVAILABLE, 0)
        front_end.change(SET_VRING_ADDR, struct.pack("=II4Q", 0, 0, *places))
        front_end.change(SET_VRING_CALL, struct.pack("=Q", 0), (self._call,))
        front_end.change(SET_VRING_KICK, struct.pack("=Q", 0), (self._kick,))
        front_end.change(SET_VRING_ENABLE, struct.pack("=II", 0, 1))
        self._count = 0

    def do(self, command: int, body: bytes) -> None:
        """Send one request, and wait until the device has carried it out."""
        request = struct.pack("<IIQII", command, 0, 0, 0, 0) + body
        self.memory[REQUEST : REQUEST + len(request)] = request
        descriptors = struct.pack("<QIHH", REQUEST, len(request), 1, 1) + struct.pack(
            "<QIHH", ANSWER, 64, 2, 0
        )
        self.memory[DESCRIPTORS : DESCRIPTORS + len(descriptors)] = descriptors
        struct.pack_into("<H", self.memory, AVAILABLE + 4 + 2 * (self._count % SIZE), 0)
        self._count += 1
        struct.pack_into("<H", self.memory, AVAILABLE + 2, self._count)
        os.eventfd_write(self._kick, 1)
        while struct.unpack_from("<H", self.memory, USED + 2)[0] != self._count:
            os.eventfd_read(self._call)
        (answer,) = struct.unpack_from("<I", self.memory, ANSWER)
        if answer != OK:
            sys.exit(f"small_vmm: command {command:#x} was answered with {answer:#x}")

    def show(self, width: int, height: int) -> None:
        """A picture: red grows to the right, green downwards, with a blue frame around."""
        for y in range(height):
            edge = y < 4 or y >= height - 4
            row = b"".join(
                bytes(
                    (255 if edge or x < 4 or x >= width - 4 else 40, y * 255 // height, x * 255 // width, 0)
                )
                for x in range(width)
            )
            self.memory[PIXELS + y * width * 4 : PIXELS + (y + 1) * width * 4] = row
        whole = struct.pack("<4I", 0, 0, width, height)
        self.do(CREATE_2D, struct.pack("<4I", 1, B8G8R8X8, width, height))
        self.do(ATTACH_BACKING, struct.pack("<IIQII", 1, 1, PIXELS, width * height * 4, 0))
        self.do(SET_SCANOUT, whole + struct.pack("<II", 0, 1))
        self.do(TRANSFER, whole + struct.pack("<QII", 0, 1, 0))
        self.do(FLUSH, whole + struct.pack("<II", 1, 0))


def main(path: str, width: str, height: str) -> None:
    """Show the picture, and hold it."""
    front_end = FrontEnd(path)
    front_end.negotiate()
    guest = Guest(front_end)
    guest.show(int(width), int(height))
    print("small_vmm: the picture is up", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

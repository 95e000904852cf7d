"""A program that plays a bad device: `fakes.py SOCKET HOW`. It starts quickly: it imports no project."""

import os
import signal
import socket
import struct
import sys
import time

HEADER = struct.Struct("=III")
FEATURES = 1 << 30 | 1 << 32


def main(path: str, how: str) -> None:
    if how == "never-listens":
        sys.exit("fake: no room for a socket")
    if how == "deaf-to-sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "98765")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        connection, _ = listener.accept()
        if how == "silent":
            time.sleep(1000)
        if how == "hangs-up":
            connection.close()
            continue
        serve(connection, how)
        if how == "serves-one":
            return
        if how == "fails-at-the-end":
            sys.exit("fake: three is no exit status of success")


def serve(connection: socket.socket, how: str) -> None:
    """Answer every request with one number."""
    while data := connection.recv(HEADER.size):
        if how == "crashes":
            print("fake: about to crash", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if how == "babbles":
            connection.sendall(b"\xff" * 64)
            continue
        if how == "chatters":
            connection.sendall((HEADER.pack(1, 5, 8) + struct.pack("=Q", FEATURES)) * 1000)
            continue
        request, _, size = HEADER.unpack(data)
        if size:
            connection.recv(size)
        connection.sendall(HEADER.pack(request, 5, 8) + struct.pack("=Q", FEATURES))


if __name__ == "__main__":
    main(*sys.argv[1:])

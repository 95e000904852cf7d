"""`python -m guest.process TASK`: how a machine starts a guest; people use `scanout guest`."""

import sys

from guest.process.run import run_guest
from guest.process.task import GuestTask
from virtio.errors import ScanoutError

try:
    run_guest(GuestTask.from_json(sys.argv[1]))
except ScanoutError as error:
    sys.exit(str(error))

"""What a driver's resource ids stand for: 2D images of the host's, and blobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from virtio.gpu.backing import Backing, host_backing
from virtio.gpu.deferred_transfer import DeferredTransfer
from virtio.gpu.errors import invalid_resource, out_of_memory, unspecified
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.gpu.limits import Ledger

_UUID_NAMESPACE = UUID("6f2d7c1e-9b0a-5d43-8a57-1c0e64b5f0a2")


class _Resource:
    """What both kinds have.

    Attributes:
        resource_id: The driver's number, not 0.
        backing: Memory that is attached to it.
        uuid: Its name for the guest's other virtio devices: by the order of creation, so the same in every
            run, and another one than that of an earlier resource of the same number.
    """

    __slots__ = ("resource_id", "backing", "uuid")

    def __init__(self, resource_id: int) -> None:
        self.resource_id = resource_id
        self.backing: Backing | None = None
        self.uuid = b""

    def detach(self) -> None:
        """Give the attached memory back.

        Raises:
            CommandFault: There is none (ERR_UNSPEC).
        """
        if self.backing is None:
            raise unspecified(f"resource {self.resource_id} has no backing to detach")
        self._release_backing()

    def _release_backing(self) -> None:
        if self.backing is not None:
            self.backing.close()
            self.backing = None

    def close(self) -> None:
        """Give everything back; views onto it stay valid."""
        self._release_backing()


class Resource2d(_Resource):
    """A host image that the driver fills by TRANSFER_TO_HOST_2D from its backing.

    Attributes:
        format: Pixel format.
        width: Pixels.
        height: Pixels.
        rows: (height, width * 4) uint8, the image.
        incoming: What it will hold when the transfer that is being served has been carried out, or None.
    """

    __slots__ = ("format", "width", "height", "rows", "incoming", "_ledger")

    def __init__(
        self, resource_id: int, pixel_format: Format, width: int, height: int, ledger: Ledger
    ) -> None:
        super().__init__(resource_id)
        self.format = pixel_format
        self.width = width
        self.height = height
        self.rows = ledger.allocate((height, width * BYTES_PER_PIXEL), f"2D resource {resource_id}")
        self.incoming: DeferredTransfer | None = None
        self._ledger = ledger

    @property
    def stride(self) -> int:
        """Bytes from one row to the next, in the image and in its backing."""
        return self.width * BYTES_PER_PIXEL

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(height, width, 4) uint8, a read-only view of the image."""
        view = self.rows.reshape(self.height, self.width, BYTES_PER_PIXEL)
        view.flags.writeable = False
        return view

    def close(self) -> None:
        """Give backing and image back."""
        super().close()
        self._ledger.host_memory.give(self.rows.nbytes)


class Blob(_Resource):
    """Memory without a format, shown as it is.

    Attributes:
        size: Bytes, as created; the backing can be smaller.
        is_host: The memory is the host's (HOST3D), for the resource's whole life.
        is_mappable: A host blob that may be placed in the host-visible region.
    """

    __slots__ = ("size", "is_host", "is_mappable")

    def __init__(self, resource_id: int, size: int, backing: Backing | None) -> None:
        super().__init__(resource_id)
        self.size = size
        self.backing = backing
        self.is_host = self.is_mappable = False

    @classmethod
    def on_host(cls, resource_id: int, size: int, ledger: Ledger, *, mappable: bool) -> Self:
        """A blob of host memory, zeroed.

        Raises:
            CommandFault: It is more than the guest may have (ERR_OUT_OF_MEMORY).
        """
        blob = cls(resource_id, size, host_backing(size, ledger, f"host blob {resource_id}"))
        blob.is_host, blob.is_mappable = True, mappable
        return blob

    def detach(self) -> None:
        """Give the attached guest memory back.

        Raises:
            CommandFault: There is none (ERR_UNSPEC).
        """
        if self.is_host:
            raise unspecified(f"blob {self.resource_id} is host memory: nothing is attached to it")
        super().detach()


Resource = Resource2d | Blob


class Resources:
    """The driver's resources by id."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._by_id: dict[int, Resource] = {}
        self._created = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_id.values())

    def find(self, resource_id: int) -> Resource:
        """The resource of that id.

        Raises:
            CommandFault: There is none (ERR_INVALID_RESOURCE_ID).
        """
        resource = self._by_id.get(resource_id)
        if resource is None:
            raise invalid_resource(f"resource {resource_id} does not exist")
        return resource

    def require_free(self, resource_id: int) -> None:
        """Check that a resource of that id can be created.

        Raises:
            CommandFault: The id is 0 or taken (ERR_INVALID_RESOURCE_ID), or there are too many resources
                (ERR_OUT_OF_MEMORY).
        """
        if resource_id == 0:
            raise invalid_resource("resource id 0 cannot be created")
        if resource_id in self._by_id:
            raise invalid_resource(f"resource {resource_id} exists already")
        if not self._ledger.resources.has(1):
            what = f"resource {resource_id} cannot be created"
            raise out_of_memory(self._ledger.reached("resources", what, self._ledger.resources))

    def add(self, resource: Resource) -> None:
        """Enter a resource whose id is free, and name it."""
        self._created += 1
        self._ledger.resources.take(1)
        resource.uuid = uuid5(_UUID_NAMESPACE, str(self._created)).bytes
        self._by_id[resource.resource_id] = resource

    def remove(self, resource: Resource) -> None:
        """Forget a resource and give back what it holds."""
        del self._by_id[resource.resource_id]
        self._ledger.resources.give(1)
        resource.close()

    def clear(self) -> None:
        """Forget all of them."""
        for resource in list(self._by_id.values()):
            self.remove(resource)

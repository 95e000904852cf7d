"""Devices that break virtio-gpu's commands, and what is seen of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tests.compositor.conform import conftest
from tests.compositor.conform.mutants import Patch, executes, mutant
from virtio.errors import QueueFault
from virtio.gpu.backing import ContiguousBacking
from virtio.gpu.blob_image import BlobLayout
from virtio.gpu.commands import Answer, blobs, cursors, displays, resources, scanouts
from virtio.gpu.commands.entries import read_entries
from virtio.gpu.device import GpuDevice
from virtio.gpu.edid import make_edid
from virtio.gpu.errors import invalid_parameter, unspecified
from virtio.gpu.formats import Format
from virtio.gpu.resource import Resource2d
from virtio.gpu.session import Session
from virtio.gpu.wire import Command, Rect, Response
from virtio.ring.chain import Chain

# Displays, resources, scanouts, blobs, cursors.


@mutant("displays/display-info-has-16-entries")
def tells_of_one_display(patch: Patch) -> None:
    executes(patch, Command.GET_DISPLAY_INFO, lambda *_: Answer(Response.OK_DISPLAY_INFO, bytes(24)))


@mutant("displays/some-display-is-enabled")
def has_no_display(patch: Patch) -> None:
    executes(patch, Command.GET_DISPLAY_INFO, lambda *_: Answer(Response.OK_DISPLAY_INFO, bytes(384)))


@mutant("displays/enabled-displays-exist")
def enables_displays_without_size(patch: Patch) -> None:
    one = struct.pack("<6I", 0, 0, 0, 0, 1, 0)
    executes(patch, Command.GET_DISPLAY_INFO, lambda *_: Answer(Response.OK_DISPLAY_INFO, one * 16))


@mutant("displays/edids-are-edids")
def has_wrong_checksums(patch: Patch) -> None:
    original = make_edid
    patch.setattr(displays, "make_edid", lambda mode, number: original(mode, number)[:-1] + b"\x01")


@mutant("resources/every-format-makes-a-resource")
def knows_seven_formats(patch: Patch) -> None:
    original = resources.pixel_format

    def pixel_format(number: int) -> Format:
        if number == Format.X8B8G8R8:
            raise invalid_parameter("not this one")
        return original(number)

    patch.setattr(resources, "pixel_format", pixel_format)


@mutant("resources/ids-are-the-drivers", "resources/unref-frees-what-is-attached")
def keeps_destroyed_resources(patch: Patch) -> None:
    executes(patch, Command.RESOURCE_UNREF, lambda *_: Answer())


@mutant("resources/backings-may-be-scattered", "resources/entries-may-be-a-descriptor-of-their-own")
def takes_one_entry_alone(patch: Patch) -> None:
    original = read_entries

    def read(session: Session, request: bytes, structure: type, count: int) -> Any:
        if count > 1:
            raise unspecified("one entry, please")
        return original(session, request, structure, count)

    patch.setattr(resources, "read_entries", read)


@mutant("resources/backings-may-change", "blobs/pages-may-change-while-shown")
def never_detaches(patch: Patch) -> None:
    executes(patch, Command.RESOURCE_DETACH_BACKING, lambda *_: Answer())


@mutant("resources/parts-may-be-transferred")
def counts_offsets_from_the_image(patch: Patch) -> None:
    original = resources.transfer_to_host_2d

    def transfer(session: Session, command: Any, request: bytes) -> Any:
        rect = command.rect
        further = command.offset + (rect.y * 64 + rect.x) * 4
        return original(session, command._replace(offset=further), request)

    executes(patch, Command.TRANSFER_TO_HOST_2D, transfer)


@mutant("resources/uuids-name-resources")
def has_one_uuid(patch: Patch) -> None:
    executes(patch, Command.RESOURCE_ASSIGN_UUID, lambda *_: Answer(Response.OK_RESOURCE_UUID, bytes(16)))


@mutant("scanouts/scanouts-lie-within-their-resource", "errors/scanout-outside", "errors/scanout-empty")
def checks_no_rectangle(patch: Patch) -> None:
    patch.setattr(scanouts, "_require_shown", lambda *_: None)


@mutant("scanouts/resource-0-disables", "scanouts/a-framebuffer-is-shown-step-by-step")
def disables_nothing(patch: Patch) -> None:
    original = scanouts.set_scanout

    def set_scanout(session: Session, command: Any, request: bytes) -> Answer:
        if not command.resource_id:
            raise invalid_parameter("there is no resource 0")
        return original(session, command, request)

    executes(patch, Command.SET_SCANOUT, set_scanout)


@mutant("scanouts/every-scanout-shows", "scanouts/scanouts-may-mirror-and-overlap")
def shows_on_the_first_scanout_alone(patch: Patch) -> None:
    original = scanouts.set_scanout

    def set_scanout(session: Session, command: Any, request: bytes) -> Answer:
        if command.scanout_id:
            raise invalid_parameter("the first one, please")
        return original(session, command, request)

    executes(patch, Command.SET_SCANOUT, set_scanout)


@mutant("blobs/pages-may-be-attached-later")
def wants_pages_at_once(patch: Patch) -> None:
    original = blobs._guest_blob

    def guest_blob(session: Session, command: Any, runs: Any) -> Any:
        if not runs:
            raise invalid_parameter("no entries")
        return (yield from original(session, command, runs))

    patch.setattr(blobs, "_guest_blob", guest_blob)


@mutant("blobs/transfers-of-blobs-are-no-error")
def refuses_transfers_of_blobs(patch: Patch) -> None:
    patch.setattr(resources, "Blob", ())
    executes(patch, Command.TRANSFER_TO_HOST_2D, lambda *_: Answer(Response.ERR_UNSPEC))


@mutant("blobs/the-last-row-may-end-early")
def wants_whole_strides(patch: Patch) -> None:
    end = property(lambda image: image.offset + (image.rect.y + image.rect.height) * image.stride)
    patch.setattr(BlobLayout, "end", end)


@mutant("cursors/cursor-requests-are-answered")
def refuses_cursors(patch: Patch) -> None:
    executes(patch, Command.MOVE_CURSOR, lambda *_: Answer(Response.ERR_UNSPEC))


@mutant("cursors/cursors-are-set-moved-and-hidden")
def counts_answers_without_room(patch: Patch) -> None:
    original = Chain.write
    patch.setattr(
        Chain, "write", lambda answer, data: original(answer, data) if answer.writable else len(data)
    )


@mutant("resources/an-empty-backing-is-a-backing")
def wants_an_entry(patch: Patch) -> None:
    original = read_entries

    def read(session: Session, request: bytes, structure: type, count: int) -> Any:
        if not count:
            raise unspecified("no entries")
        return original(session, request, structure, count)

    patch.setattr(resources, "read_entries", read)


def refuses_when(
    patch: Patch,
    command: Command,
    original: Callable[[Session, Any, bytes], Any],
    condition: Callable[[Session, Any], bool],
) -> None:
    def handler(session: Session, structure: Any, request: bytes) -> Any:
        if condition(session, structure):
            raise unspecified("not so")
        return original(session, structure, request)

    executes(patch, command, handler)


def is_shown(session: Session, structure: Any) -> bool:
    shown = [state.resource for state in session.scanouts.states]
    return any(one is not None and one.resource_id == structure.resource_id for one in shown)


@mutant("scanouts/pages-flip")
def keeps_its_first_page(patch: Patch) -> None:
    def other(session: Session, structure: Any) -> bool:
        state = session.scanouts.states[0]
        return state.resource is not None and not is_shown(session, structure)

    refuses_when(patch, Command.SET_SCANOUT, scanouts.set_scanout, other)


@mutant("scanouts/a-part-may-be-shown")
def shows_upper_left_corners_alone(patch: Patch) -> None:
    refuses_when(patch, Command.SET_SCANOUT, scanouts.set_scanout, lambda _, command: command.rect.x > 0)


@mutant("scanouts/a-shown-resource-may-go")
def keeps_what_is_shown(patch: Patch) -> None:
    refuses_when(patch, Command.RESOURCE_UNREF, resources.unref, is_shown)


@mutant("scanouts/a-resource-that-is-not-shown-may-be-flushed")
def flushes_what_is_shown_alone(patch: Patch) -> None:
    refuses_when(
        patch, Command.RESOURCE_FLUSH, scanouts.flush, lambda session, command: not is_shown(session, command)
    )


@mutant("blobs/guest-memory-is-shown")
def takes_blobs_in_one_piece(patch: Patch) -> None:
    many = Command.RESOURCE_CREATE_BLOB
    refuses_when(patch, many, blobs.create_blob, lambda _, command: command.nr_entries > 1)


@mutant("blobs/every-format-is-shown")
def shows_seven_formats(patch: Patch) -> None:
    command = Command.SET_SCANOUT_BLOB
    refuses_when(patch, command, scanouts.set_scanout_blob, lambda _, body: body.format == Format.R8G8B8X8)


@mutant("blobs/parts-and-offsets-may-be-shown")
def shows_blobs_from_their_beginning(patch: Patch) -> None:
    command = Command.SET_SCANOUT_BLOB
    refuses_when(patch, command, scanouts.set_scanout_blob, lambda _, body: body.offsets[0] > 0)


@mutant("cursors/moves-look-at-the-position-alone")
def looks_at_the_resource_of_moves(patch: Patch) -> None:
    refuses_when(patch, Command.MOVE_CURSOR, cursors.move_cursor, lambda _, body: body.resource_id > 1)


@mutant("cursors/wrong-cursors-end-nothing")
def ends_with_wrong_cursors(patch: Patch) -> None:
    def refuse(gpu: GpuDevice, fault: Exception, command: str) -> Answer:
        raise QueueFault(command)

    patch.setattr(GpuDevice, "_refuse", refuse)


# Pictures.


@mutant("pictures/a-shown-part-begins-at-its-corner")
def shows_parts_at_their_place_in_the_resource(patch: Patch) -> None:
    original = conftest.SentDisplay.flush

    def flush(display: Any, scanout: int, damage: Rect, incoming: Any = None) -> Any:
        return original(display, scanout, damage._replace(x=damage.x + 16), incoming)

    patch.setattr(conftest.SentDisplay, "flush", flush)


@mutant("pictures/a-part-at-the-origin-ends-with-its-height", "pictures/a-part-is-transferred-to-its-place")
def transfers_everything(patch: Patch) -> None:
    original = resources.transfer_to_host_2d

    def transfer(session: Session, command: Any, request: bytes) -> Any:
        return original(session, command._replace(rect=Rect(0, 0, 64, 48), offset=0), request)

    executes(patch, Command.TRANSFER_TO_HOST_2D, transfer)


@mutant("pictures/a-flushed-picture-is-seen")
def transfers_nothing(patch: Patch) -> None:
    executes(patch, Command.TRANSFER_TO_HOST_2D, lambda *_: Answer())


@mutant("pictures/nothing-is-seen-before-the-transfer")
def transfers_when_it_flushes(patch: Patch) -> None:
    def flush(session: Session, command: Any, request: bytes) -> Any:
        image = session.resources.find(command.resource_id)
        assert isinstance(image, Resource2d)
        assert isinstance(image.backing, ContiguousBacking)
        image.backing.read_rows(0, image.stride, image.rows)
        return scanouts.flush(session, command, request)

    executes(patch, Command.RESOURCE_FLUSH, flush)

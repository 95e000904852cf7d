"""`virtio.gpu.wire` against the kernel's own header, linux/virtio_gpu.h.

Once by reading the header (numbers, structures, offsets computed as C lays them out), and, where there is a
C compiler, once by asking it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import HEADER_SIZE, REQUESTS, RESPONSES, Command, Response, layout_of

HEADER = Path("/usr/include/linux/virtio_gpu.h")
COMPILER = shutil.which("cc")

pytestmark = pytest.mark.skipif(not HEADER.exists(), reason=f"{HEADER} is not here (package linux-libc-dev)")

# The kernel's name of each structure; True: it begins with the header, which ours leaves out.
NAMES: dict[type[Any], tuple[str, bool]] = {
    wire.Config: ("virtio_gpu_config", False),
    wire.Header: ("virtio_gpu_ctrl_hdr", False),
    wire.Rect: ("virtio_gpu_rect", False),
    wire.MemEntry: ("virtio_gpu_mem_entry", False),
    wire.CursorPos: ("virtio_gpu_cursor_pos", False),
    wire.DisplayOne: ("virtio_gpu_display_one", False),
    wire.Box: ("virtio_gpu_box", False),
    wire.ResourceCreate2d: ("virtio_gpu_resource_create_2d", True),
    wire.ResourceUnref: ("virtio_gpu_resource_unref", True),
    wire.SetScanout: ("virtio_gpu_set_scanout", True),
    wire.ResourceFlush: ("virtio_gpu_resource_flush", True),
    wire.TransferToHost2d: ("virtio_gpu_transfer_to_host_2d", True),
    wire.ResourceAttachBacking: ("virtio_gpu_resource_attach_backing", True),
    wire.ResourceDetachBacking: ("virtio_gpu_resource_detach_backing", True),
    wire.RespDisplayInfo: ("virtio_gpu_resp_display_info", True),
    wire.GetEdid: ("virtio_gpu_cmd_get_edid", True),
    wire.RespEdid: ("virtio_gpu_resp_edid", True),
    wire.ResourceAssignUuid: ("virtio_gpu_resource_assign_uuid", True),
    wire.RespResourceUuid: ("virtio_gpu_resp_resource_uuid", True),
    wire.ResourceCreateBlob: ("virtio_gpu_resource_create_blob", True),
    wire.SetScanoutBlob: ("virtio_gpu_set_scanout_blob", True),
    wire.ResourceMapBlob: ("virtio_gpu_resource_map_blob", True),
    wire.RespMapInfo: ("virtio_gpu_resp_map_info", True),
    wire.ResourceUnmapBlob: ("virtio_gpu_resource_unmap_blob", True),
    wire.UpdateCursor: ("virtio_gpu_update_cursor", True),
    wire.GetCapsetInfo: ("virtio_gpu_get_capset_info", True),
    wire.RespCapsetInfo: ("virtio_gpu_resp_capset_info", True),
    wire.GetCapset: ("virtio_gpu_get_capset", True),
    wire.CtxCreate: ("virtio_gpu_ctx_create", True),
    wire.NoBody: ("virtio_gpu_ctx_destroy", True),
    wire.CtxResource: ("virtio_gpu_ctx_resource", True),
    wire.ResourceCreate3d: ("virtio_gpu_resource_create_3d", True),
    wire.TransferHost3d: ("virtio_gpu_transfer_host_3d", True),
    wire.CmdSubmit: ("virtio_gpu_cmd_submit", True),
}
OUR_FIELDS = {"rect": "r"}

SCALARS = {"__u8": 1, "char": 1, "__le32": 4, "__u32": 4, "__le64": 8}


@dataclass
class Struct:
    """A C structure: fields as name -> (offset, size)."""

    fields: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 0
    alignment: int = 1

    def add(self, name: str, size: int, alignment: int) -> None:
        """Append a field as C does, aligned."""
        offset = -(-self.size // alignment) * alignment
        self.fields[name] = (offset, size)
        self.size, self.alignment = offset + size, max(self.alignment, alignment)


class KernelHeader:
    """The header's constants and structures."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.defines = dict(re.findall(r"#define\s+(\w+)[ \t]+(.+)", text))
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        self.constants: dict[str, int] = {}
        for body in re.findall(r"enum \w+ \{(.*?)\}", text, flags=re.S):
            self._enumerate(body)
        self.structs: dict[str, Struct] = {}
        self._structures(text)

    def number(self, name: str) -> int:
        """The value of an enumerator or of a #define."""
        if name in self.constants:
            return self.constants[name]
        shifted = re.fullmatch(r"\(1 << (\d+)\)", self.defines[name].strip())
        return 1 << int(shifted[1]) if shifted else int(self.defines[name], 0)

    def _enumerate(self, body: str) -> None:
        following = 0
        for item in filter(None, (part.strip() for part in body.split(","))):
            name, _, value = (part.strip() for part in item.partition("="))
            self.constants[name] = int(value, 0) if value else following
            following = self.constants[name] + 1

    def _structures(self, text: str) -> None:
        inner = re.compile(r"struct (\w+) \{([^{}]*)\}")
        while found := inner.search(text):
            self.structs[found[1]] = self._structure(found[2])
            text = text[: found.start()] + f"struct {found[1]}" + text[found.end() :]

    def _structure(self, body: str) -> Struct:
        made = Struct()
        for kind, declarators in re.findall(r"(?:struct )?(\w+) ([^;]+);", body):
            nested = self.structs.get(kind)
            size, alignment = (nested.size, nested.alignment) if nested else (SCALARS[kind], SCALARS[kind])
            for declarator in declarators.split(","):
                name, _, count = declarator.strip().rstrip("]").partition("[")
                length = int(self.defines.get(count, count)) if count else "[" not in declarator
                made.add(name, size * length, alignment)
        made.size = -(-made.size // made.alignment) * made.alignment
        return made


@pytest.fixture(scope="module")
def header() -> KernelHeader:
    return KernelHeader(HEADER.read_text(encoding="utf-8"))


def our_numbers() -> dict[str, int]:
    """All of our numbers under the kernel's names."""
    numbers = {f"VIRTIO_GPU_CMD_{command.name}": int(command) for command in Command}
    numbers |= {f"VIRTIO_GPU_RESP_{response.name}": int(response) for response in Response}
    numbers |= {f"VIRTIO_GPU_F_{feature.name}": int(feature) for feature in wire.Feature}
    numbers |= {f"VIRTIO_GPU_FLAG_{flag.name}": int(flag) for flag in wire.Flag}
    numbers |= {f"VIRTIO_GPU_BLOB_MEM_{memory.name}": int(memory) for memory in wire.BlobMem}
    numbers |= {f"VIRTIO_GPU_BLOB_FLAG_{flag.name}": int(flag) for flag in wire.BlobFlag}
    numbers |= {f"VIRTIO_GPU_EVENT_{event.name}": int(event) for event in wire.Event}
    numbers |= {f"VIRTIO_GPU_SHM_ID_{region.name}": int(region) for region in wire.ShmId}
    numbers |= {f"VIRTIO_GPU_MAP_CACHE_{cache.name}": int(cache) for cache in wire.MapCache}
    numbers |= {f"VIRTIO_GPU_FORMAT_{known.name}_UNORM": int(known) for known in Format}
    return numbers | {"VIRTIO_GPU_MAX_SCANOUTS": wire.MAX_SCANOUTS}


def our_layouts() -> dict[str, dict[str, tuple[int, int]]]:
    """All of our structures as the kernel names and lays them out: name -> (offset, size), and the whole."""
    layouts = {}
    for kind, (name, has_header) in NAMES.items():
        layout, base = layout_of(kind), HEADER_SIZE if has_header else 0
        fields = {OUR_FIELDS.get(f.name, f.name): (base + f.offset, f.size) for f in layout.fields}
        fields |= {"hdr": (0, HEADER_SIZE)} if has_header else {}
        layouts[name] = fields | {"": (0, base + layout.size)}
    return layouts


def test_every_request_and_response_is_compared() -> None:
    assert {*REQUESTS.values(), *RESPONSES.values()} <= set(NAMES)


def test_numbers_are_the_header_s(header: KernelHeader) -> None:
    assert our_numbers() == {name: header.number(name) for name in our_numbers()}


def test_no_command_response_or_format_of_the_header_is_missing(header: KernelHeader) -> None:
    known = {name for name in header.constants if re.match(r"VIRTIO_GPU_(CMD|RESP|FORMAT)_", name)}
    assert known <= set(our_numbers())


def test_structures_are_the_header_s(header: KernelHeader) -> None:
    theirs = {
        name: header.structs[name].fields | {"": (0, header.structs[name].size)} for name in our_layouts()
    }
    assert our_layouts() == theirs


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_a_compiler_agrees(tmp_path: Path) -> None:
    lines = [f'printf("%lld\\n", (long long){name});' for name in our_numbers()]
    expected = list(our_numbers().values())
    for name, fields in our_layouts().items():
        for member, (offset, size) in fields.items():
            place = f"offsetof(struct {name}, {member})" if member else "0"
            extent = f"sizeof(((struct {name} *)0)->{member})" if member else f"sizeof(struct {name})"
            lines.append(f'printf("%zu\\n%zu\\n", (size_t){place}, {extent});')
            expected += [offset, size]
    source, program = tmp_path / "layout.c", tmp_path / "layout"
    includes = "#include <stddef.h>\n#include <stdio.h>\n#include <linux/virtio_gpu.h>\n"
    source.write_text(includes + "int main(void) {\n" + "\n".join(lines) + "\n}\n", encoding="ascii")
    subprocess.run([str(COMPILER), "-o", program, source], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    assert [int(line) for line in output.split()] == expected

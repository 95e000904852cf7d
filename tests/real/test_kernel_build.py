"""The UML kernel: built from Debian's source, and booted without any device."""

import os
from pathlib import Path

import pytest

from guest.linux import GuestDied, UmlOptions, UmlProcess, build_kernel, find_kernel

pytestmark = pytest.mark.real


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def run(workdir: Path, options: UmlOptions) -> tuple[int | None, str]:
    """Boot, wait for the end; how the program ended, and what was printed since the kernel's own checks."""
    async with await UmlProcess.start(options, None, workdir) as guest:
        status = await guest.wait()
    assert names(workdir) == ["initrd"]
    return status, guest.console.text.partition("seccomp filters")[2]


@pytest.mark.skipif(
    "SCANOUT_TEST_KERNEL_BUILD" not in os.environ,
    reason="fetches 160 MB and compiles for minutes: set SCANOUT_TEST_KERNEL_BUILD=1",
)
async def test_debians_newest_source_becomes_a_kernel_that_boots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kernel = build_kernel()
    assert find_kernel() == kernel
    # Our patch is in it: an option of the kernel's own, which others would hand to init.
    command = ("/bin/sh", "-c", "env; cat /proc/cmdline")
    options = UmlOptions(
        kernel=kernel, root=Path("/"), command=command, kernel_arguments=("tt_syscall_ns=0",)
    )
    status, said = await run(tmp_path / "run", options)
    assert status == 0
    assert "tt_syscall_ns=0" in said
    assert "\ntt_syscall_ns=0\n" not in said


async def test_a_program_of_the_host_runs_in_the_guest(tmp_path: Path) -> None:
    command = (
        "/bin/sh",
        "-c",
        'echo "two  words" \'and "quotes"\'; touch /root/x /tmp/y && touch /etc/z; exit 5',
    )
    status, said = await run(tmp_path, UmlOptions(kernel=find_kernel(), root=Path("/"), command=command))
    assert status == 5
    assert 'two  words and "quotes"' in said
    # Scratch space where programs write, the host's own files as they are.
    assert said.count("Read-only file system") == 1


async def test_a_signal_that_ends_the_program_is_reported(tmp_path: Path) -> None:
    options = UmlOptions(kernel=find_kernel(), root=Path("/"), command=("/bin/sh", "-c", "kill -SEGV $$"))
    assert (await run(tmp_path, options))[0] == -11


async def test_the_guests_programs_say_what_they_miss(tmp_path: Path) -> None:
    status, said = await run(tmp_path, UmlOptions(kernel=find_kernel(), command=("pageflip",)))
    assert status == 1
    assert "pageflip: no virtio-gpu card in /dev/dri" in said


async def test_a_kernel_that_panics_tells_why(tmp_path: Path) -> None:
    (tmp_path / "own").write_bytes(b"no archive")
    (tmp_path / "run").mkdir()
    options = UmlOptions(kernel=find_kernel(), initrd=tmp_path / "own")
    async with await UmlProcess.start(options, None, tmp_path / "run") as guest:
        with pytest.raises(GuestDied, match="panicked: Kernel panic - not syncing"):
            await guest.wait()

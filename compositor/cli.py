"""The command line: parses, calls `compositor.commands`, turns errors into one line and an exit status.

What a command needs is imported when it runs, so that `scanout --help` is quick.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from compositor.commands.boot_options import QemuBootOptions, UmlBootOptions
from compositor.commands.options import Interrupted, RunOptions, running
from compositor.errors import BadInput, Misuse, ScanoutError

# ruff: noqa: PLC0415 - see above

_SETTINGS = {"no_args_is_help": True, "pretty_exceptions_enable": False, "add_completion": False}
app = typer.Typer(
    help="A virtio-gpu display device and a host compositor: real and simulated guests, every copy counted.",
    **_SETTINGS,  # type: ignore[arg-type]
)
boot = typer.Typer(help="Start a real guest wired to the device.", no_args_is_help=True)
kernel = typer.Typer(help="The UML kernel.", no_args_is_help=True)
app.add_typer(boot, name="boot")
app.add_typer(kernel, name="kernel")
rootfs = typer.Typer(help="A root of Debian packages for UML guests.", no_args_is_help=True)
app.add_typer(rootfs, name="rootfs")

Rest = Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS ...]", show_default=False)]


@app.command()
@running
def demo(*, run: RunOptions) -> None:
    """Simulated guests on a screen: a window where there is a display, else demo.png."""
    from compositor.commands.scenes import demo

    demo(run)


@app.command("run")
@running
def run_scene(
    scene: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCENE | FILE.toml]",
            help="Without one: which there are. A workload of your own is module:Class, or a PNG.",
        ),
    ] = None,
    kernel: Annotated[Path | None, typer.Option(help="Of a study: the UML kernel to boot.")] = None,
    allow_programs: Annotated[
        bool,
        typer.Option(
            "--allow-programs",
            help="The FILE may name kernels, commands, modules and files of this machine.",
        ),
    ] = False,
    faults: Annotated[
        Path | None, typer.Option(metavar="F.toml", help="Also what goes wrong: a script of faults.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Of a study: fail when this machine is slower than promised.")
    ] = False,
    *,
    run: RunOptions,
) -> None:
    """Run a scene, built in or of a file, headless and on the virtual clock; or a study."""
    from compositor.commands.scenes import run_scene

    run_scene(scene, run, kernel, allow_programs=allow_programs, faults=faults, strict=strict)


@app.command()
@running
def serve(
    context: typer.Context,
    socket: Annotated[Path, typer.Argument(help="Where the VMM connects.")],
    once: Annotated[bool, typer.Option("--once", help="End with the first VMM.")] = False,
    time_travel: Annotated[
        Path | None,
        typer.Option(metavar="SOCKET2", help="Keep the time of a UML kernel, on the virtual clock."),
    ] = None,
    any_memory_file: Annotated[
        bool,
        typer.Option(
            "--any-memory-file",
            help="Guest memory may be a file of any file system, which can then stop the device.",
        ),
    ] = False,
    allow_user: Annotated[
        list[str] | None,
        typer.Option(metavar="USER", help="Programs of this user may connect, too; a name or a number."),
    ] = None,
    no_sandbox: Annotated[
        bool,
        typer.Option("--no-sandbox", help="Keep all rights of this process: to start programs, open files."),
    ] = False,
    *,
    run: RunOptions,
) -> None:
    """Be the vhost-user virtio-gpu device for a VMM that connects to SOCKET."""
    # Nothing here uses BLAS, whose threads, started with numpy, a sandbox would not reach.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from compositor.commands.serve import serve

    serve(
        socket,
        once=once,
        time_travel=time_travel,
        any_memory_file=any_memory_file,
        users=allow_user or [],
        sandboxed=not no_sandbox and bool(context.obj),
        run=run,
    )


@app.command()
def guest(
    workload: Annotated[str, typer.Argument(help="What it shows: a workload, module:Class, or a PNG.")],
    connect: Annotated[Path, typer.Option(metavar="SOCKET", help="Where scanout serve listens.")],
    time_travel: Annotated[
        Path | None,
        typer.Option(metavar="SOCKET2", help="Take the virtual time that scanout serve keeps there."),
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Instead of its display's.")] = None,
    sync: Annotated[str, typer.Option(metavar="POLICY", help="What its flips wait for.")] = "release",
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
    frames: Annotated[int | None, typer.Option(help="Switch off after N frames.")] = None,
    unpaced: Annotated[bool, typer.Option("--unpaced", help="Draw as fast as the host answers.")] = False,
    patience: Annotated[
        float, typer.Option(metavar="S", help="A fence that takes longer is missed: exit status 1.")
    ] = 5.0,
) -> None:
    """Be a simulated guest in a process of its own: a vhost-user front end with its own memory."""
    from compositor.commands.guest import guest

    guest(
        workload,
        connect,
        time_travel=time_travel,
        size=size,
        sync=sync,
        seed=seed,
        frames=frames,
        paced=not unpaced,
        patience=patience,
    )


@boot.command()
@running
def uml(command: Rest = None, *, boot: UmlBootOptions, run: RunOptions) -> None:
    """Start a UML kernel; ARGS is the command that it runs."""
    from compositor.commands.boot import boot_uml

    boot_uml(run, boot, command or [])


@boot.command()
@running
def qemu(qemu_args: Rest = None, *, boot: QemuBootOptions, run: RunOptions) -> None:
    """Start QEMU; ARGS are further arguments for it."""
    from compositor.commands.boot import boot_qemu

    boot_qemu(run, boot, qemu_args or [])


@kernel.command("build")
def kernel_build(
    source: Annotated[
        Path | None, typer.Option(help="A Linux source tree instead of Debian's newest.")
    ] = None,
) -> None:
    """Build a UML kernel with virtio-gpu; cached."""
    from guest.linux import build_kernel, shown_progress

    with shown_progress() as progress:
        built = build_kernel(source, progress)
    print(built)


@kernel.command("path")
def kernel_path() -> None:
    """Print which UML kernel would be booted."""
    from guest.linux import find_kernel

    print(find_kernel())


@rootfs.command("build")
def rootfs_build(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Where; by default in the cache.")
    ] = None,
) -> None:
    """Make a root with weston, modetest and kmscube; cached."""
    from guest.linux import build_rootfs, shown_progress

    with shown_progress() as progress:
        built = build_rootfs(directory, progress)
    print(built)


@rootfs.command("path")
def rootfs_path() -> None:
    """Print where the root in the cache is."""
    from guest.linux import find_rootfs

    print(find_rootfs())


@app.command("replay")
@running
def replay_recording(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Made by --record.")], *, run: RunOptions
) -> None:
    """Feed a recording to the device again: the same frames, the same digest."""
    from compositor.commands.replay import replay

    replay(file, run)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A PNG, - for standard input, or a directory.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="As A.")],
    tolerance: Annotated[
        str | None,
        typer.Option(help="What may differ: channel=N, red=-1:2, pixels=N, ratio=R, antialiasing, ..."),
    ] = None,
    fuzz: Annotated[int | None, typer.Option(help="Short for --tolerance channel=N.")] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y,W,H|F.png", help="Leave out a rectangle, or what is white in F.png."),
    ] = None,
    clip: Annotated[
        list[str] | None, typer.Option(metavar="X,Y,W,H|F.png", help="Compare nothing but this.")
    ] = None,
    difference: Annotated[
        Path | None,
        typer.Option(metavar="F.png", help="Write a picture of the differences."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two screenshots, or two directories of them; exit status 1 when they differ."""
    from compositor.commands.compare import compare

    compare(
        a,
        b,
        tolerance=tolerance,
        fuzz=fuzz,
        mask=mask or [],
        clip=clip or [],
        difference=difference,
        as_json=json,
    )


@app.command("conform")
def conform_device(
    socket: Annotated[
        Path | None, typer.Argument(metavar="[SOCKET]", help="Where a device listens.", show_default=False)
    ] = None,
    spawn: Annotated[
        str | None,
        typer.Option(metavar="CMD", help="Start the device, with {socket} for its path, as often as needed."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Checks of this name or section; may be given again."),
    ] = None,
    deadline: Annotated[float, typer.Option(metavar="S", help="Real time that each check has.")] = 5.0,
    list_only: Annotated[bool, typer.Option("--list", help="Print the checks, and do nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    junit: Annotated[Path | None, typer.Option(metavar="F.xml", help="Write JUnit's XML, too.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Advice that is not followed fails, too.")] = False,
) -> None:
    """Play the specification against any vhost-user virtio-gpu device."""
    from compositor.commands.conform import conform, list_checks

    if list_only:
        list_checks(only or [])
        return
    conform(socket, spawn=spawn, only=only or [], deadline=deadline, as_json=json, junit=junit, strict=strict)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run the benchmarks, each against its peer in the same run."""
    from compositor.commands.bench import bench

    bench(names or [], as_json=json)


@app.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what this machine has, what is missing, and the command that installs it."""
    from compositor.commands.doctor import doctor

    doctor(as_json=json)


def main(arguments: list[str] | None = None) -> None:
    """The console script: every expected error is one line on standard error.

    Exit status: 0 done; 1 the run failed; 2 bad usage or input; 130 interrupted.
    """
    is_own_process = arguments is None  # else it is the caller's, whose rights are not given away
    arguments = sys.argv[1:] if arguments is None else arguments
    # Accepted anywhere before "--", because one adds it when a command has just failed.
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in own
    if debug:
        arguments.remove("--debug")
        logging.basicConfig(format="scanout: %(message)s")
        logging.getLogger("scanout").setLevel(logging.DEBUG)  # not the libraries': they say far too much
    # A command that is told to end gives back what it holds: its guests' processes and directories.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(arguments, prog_name="scanout", obj=is_own_process)
    except ScanoutError as error:
        if debug:
            raise
        print(f"scanout: {error}", file=sys.stderr)
        sys.exit(exit_status(error))
    except (KeyboardInterrupt, Interrupted):
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_status(error: Exception) -> int:
    """2 when the input or its use was at fault, 1 when the run was."""
    from guest.linux.errors import KernelUnusable, ToolMissing

    return 2 if isinstance(error, BadInput | Misuse | KernelUnusable | ToolMissing) else 1

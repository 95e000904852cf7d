import os
import signal
from pathlib import Path

import pytest

from guest.linux.errors import ToolFailed, ToolMissing
from guest.linux.tool import require, run_tool


def test_output_of_both_streams_is_returned_in_the_c_locale() -> None:
    assert run_tool(["sh", "-c", "echo out; echo err >&2; echo $LC_ALL"], what="it") == "out\nerr\nC\n"


def test_lines_arrive_one_by_one_instead(tmp_path: Path) -> None:
    lines: list[str] = []
    output = run_tool(["sh", "-c", "pwd; echo $X"], what="it", directory=tmp_path, environment={"X": "y"},
                      on_line=lines.append)  # fmt: skip
    assert (output, lines) == ("", [str(tmp_path), "y"])


def test_nothing_waits_for_input() -> None:
    assert run_tool(["cat"], what="it") == ""


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo one; echo two; exit 3", "two"),
        ("echo a; echo 'x.c:1: error: no'; echo 'make: *** [x] Error 1'; exit 2", "x.c:1: error: no"),
        ("echo 'ld: cannot find -lx'; echo 'collect2: error: ld failed'; exit 1", "ld: cannot find -lx"),
        ("echo 'CC errors.o'; echo 'no rule for x'; exit 2", "no rule for x"),
        ("echo W: w; echo 'E: no network'; echo end; exit 100", "E: no network"),
        ("exit 3", "sh ended with status 3"),
    ],
)
def test_a_failure_says_why_in_one_line(script: str, reason: str) -> None:
    with pytest.raises(ToolFailed) as caught:
        run_tool(["sh", "-c", script], what="the job")
    assert str(caught.value) == f"the job failed: {reason}"


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ToolFailed, match=r"the job: cannot run /no/such: No such file"):
        run_tool(["/no/such"], what="the job")


def test_an_exception_kills_the_program_and_its_children() -> None:
    pids: list[int] = []

    def stop(line: str) -> None:
        pids.append(int(line))
        if len(pids) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tool(["sh", "-c", "echo $$; sh -c 'echo $$; exec sleep 1000'; true"], what="it", on_line=stop)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    # The child was killed with it; whether init has collected it yet is not ours to know.
    state = Path(f"/proc/{pids[1]}/stat")
    assert not state.exists() or state.read_text().split()[2] in "XZ" or _dying(pids[1])


def _dying(pid: int) -> bool:
    pending = Path(f"/proc/{pid}/status").read_text()
    mask = next(int(line.split()[1], 16) for line in pending.splitlines() if line.startswith("ShdPnd"))
    return bool(mask >> (signal.SIGKILL - 1) & 1)


def test_missing_programs_are_named_with_their_packages(no_programs: None) -> None:
    with pytest.raises(ToolMissing) as caught:
        require("flex", "xz", "cc", "ld", "strip")
    assert str(caught.value) == (
        "flex, xz, cc, ld, strip: not installed; on Debian: sudo apt-get install binutils flex gcc xz-utils"
    )


def test_programs_that_are_there_are_fine() -> None:
    require("sh", "cat")

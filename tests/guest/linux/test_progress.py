import io

from rich.console import Console

from guest.linux.progress import shown_progress


def shown(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80, color_system=None)
    with shown_progress(console) as progress:
        progress("fetching")
        progress("fetching", 0.25)
        progress("building [it]", 0.5)
        progress("building [it]", 1.0)
    return out.getvalue()


def test_in_a_log_every_stage_is_one_line() -> None:
    assert shown(terminal=False) == "fetching\nbuilding [it]\n"


def test_on_a_terminal_every_stage_has_a_bar_that_ends_full() -> None:
    full = [line for line in shown(terminal=True).splitlines() if "100%" in line]
    assert "fetching" in full[-2]
    assert "building [it]" in full[-1]

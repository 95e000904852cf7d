"""Scripts of faults, drawn by hypothesis and shrunk to the least one that fails, which is kept in a file.

    @given(script=faults(guests=["gears", "plasma"], outputs=["left", "right"]))
    def test_the_desktop_survives(script: Script) -> None:
        with keeping(script, "faults/desktop.toml"):
            asyncio.run(play(script))

Hypothesis runs the least failing example last, so that is what the file holds at the end. `Script.load` reads
it: `@example(script=Script.load(Path("faults/desktop.toml")))` plays it in every run from then on, and
`scanout run SCENE --faults faults/desktop.toml` outside of the test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from compositor.errors import BadInput, Misuse
from compositor.faults import KINDS, AnyFault, Script, ScriptedFault

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_MOST_MS = 200
_MOST_COUNT = 4
_COMMANDS = ("RESOURCE_FLUSH", "SET_SCANOUT_BLOB", "RESOURCE_CREATE_BLOB", "GET_DISPLAY_INFO")


def faults(
    *,
    guests: Sequence[str],
    outputs: Sequence[str],
    seconds: float = 0.5,
    kinds: Sequence[str] | None = None,
    most: int = 4,
    refresh_hz: int = 60,
) -> SearchStrategy[Script]:
    """A strategy for scripts of faults.

    It shrinks to few faults, to those that come first in `kinds`, to short and early ones, and to times
    rather than moments of outputs and guests.

    Args:
        guests: Names of the machine's simulated guests.
        outputs: Names of its outputs.
        seconds: How long the run is: faults begin in it.
        kinds: Which faults, by their names in scene files (`compositor.faults.KINDS`); None: all of them.
        most: How many in one script, at most.
        refresh_hz: Of the outputs: how many frames there are to choose from.

    Raises:
        BadInput: There is no such fault, or none of what one happens to.
        Misuse: hypothesis is not installed.
    """
    try:
        from hypothesis import strategies as st  # noqa: PLC0415 - the only one that needs it
    except ImportError:
        raise Misuse("faults() draws with hypothesis, which is not here: pip install hypothesis") from None
    chosen = list(KINDS) if kinds is None else list(kinds)
    for kind in chosen:
        _check_kind(kind, guests, outputs)
    when = _moments(guests, outputs, round(seconds * 1000), max(1, round(seconds * refresh_hz)))
    one = st.one_of([_of_kind(KINDS[kind], when, guests, outputs) for kind in chosen])
    # Hypothesis drops one of several long draws when it lowers their number, and of a list's it does not.
    several = st.integers(0, most).flatmap(lambda number: st.tuples(*[one] * number))
    return several.map(Script)


def _check_kind(kind: str, guests: Sequence[str], outputs: Sequence[str]) -> None:
    if kind not in KINDS:
        raise BadInput(f'kinds: there is no fault "{kind}"; there are {", ".join(KINDS)}')
    what, there = ("output", outputs) if "output" in KINDS[kind].__struct_fields__ else ("guest", guests)
    if not there:
        raise BadInput(f'kinds: "{kind}" happens to a {what}, and no {what}s are named')


def _moments(
    guests: Sequence[str], outputs: Sequence[str], milliseconds: int, frames: int
) -> SearchStrategy[dict[str, Any]]:
    """When faults happen."""
    from hypothesis import strategies as st  # noqa: PLC0415

    number = st.integers(1, frames)
    whens: list[dict[str, SearchStrategy[Any]]] = [
        {"at": st.integers(0, max(0, milliseconds - 1)).map(lambda ms: ms / 1000)}
    ]
    if outputs:
        output = st.sampled_from(outputs)
        whens += [{"frame": number, "of": output}, {"commit": number, "of": output}]
    if guests:
        whens.append({"command": st.sampled_from(_COMMANDS), "nth": number, "of": st.sampled_from(guests)})
    return st.one_of([st.fixed_dictionaries(when) for when in whens])


def _of_kind(
    kind: type[ScriptedFault],
    when: SearchStrategy[dict[str, Any]],
    guests: Sequence[str],
    outputs: Sequence[str],
) -> SearchStrategy[AnyFault]:
    """Faults of one kind."""
    from hypothesis import strategies as st  # noqa: PLC0415

    values: dict[str, SearchStrategy[Any]] = {
        "ms": st.integers(0, _MOST_MS).map(float),
        "count": st.integers(1, _MOST_COUNT),
        "source": st.just("flush"),  # a guest need not have a GPU
        "mode": st.none(),  # nor an output another mode
        "guest": st.sampled_from(guests),
        "output": st.sampled_from(outputs),
    }
    own = [f for f in msgspec.structs.fields(kind) if f.name not in ScriptedFault.__struct_fields__]
    fields = {f.name: values[f.name] if f.name in values else st.sampled_from(get_args(f.type)) for f in own}
    return st.builds(
        lambda moment, drawn: msgspec.convert(
            {"do": kind.__struct_config__.tag, **moment, **drawn}, AnyFault
        ),
        when,
        st.fixed_dictionaries(fields),
    )


@contextmanager
def keeping(script: Script, path: str | Path) -> Iterator[None]:
    """Write a script to a file when the block fails, and say so in the failure.

    Its folder is made where there is none. A file that is there stays as it is as long as the block passes.

    Raises:
        BadInput: The file cannot be written.
    """
    try:
        yield
    except Exception as failure:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        script.save(target)
        failure.add_note(f"the script of faults is in {path}:\n{script.toml()}")
        raise

"""Whatever a scene file says that cannot be is one line that names the file and the key."""

import os
from pathlib import Path

import pytest

from compositor.errors import BadInput
from compositor.scene_file import read_scene
from compositor.scene_file.read import parse_scene
from guest.simulated import SimulatedGuest
from tests.guest.workloads.samples.own import Bar

GUEST = '[[guests]]\nkind = "simulated"\nworkload = "plasma"\n'
TWO = '[[outputs]]\nname = "a"\nmode = "64x48"\n[[outputs]]\nname = "b"\nmode = "64x48"\n'


def event(text: str) -> str:
    return f"{TWO}{GUEST}[[events]]\n{text}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("outputs = [", "no TOML: Invalid value (at end of document)"),
        ("colour = 1", "table contains unknown field colour"),
        ('seed = "x"', "seed: Expected int, got str"),
        ("seed = -1", "seed: -1 is not in 0 to 2**63 - 1"),
        ("seconds = 0.0", "seconds: 0 is no length of a run: it must be above 0"),
        ("seconds = nan", "seconds: nan is no length of a run"),
        ("[limits]\nturns = 5", "limits: there is no limit 'turns'; there are: host-memory"),
        ('[limits]\nturn = "5m"', "limits: limit turn: '5m' is no number of us, perhaps with one of us ms s"),
        ("[limits]\nturn = 5.5", "limits[...]: Expected int | str, got float"),
        (f"{GUEST}limits = {{ fences = 3 }}", "guests[0].limits: limit fences: 3 is not a whole number of"),
        (
            f"{GUEST}limits = {{ total_fences = 99 }}",
            "guests[0].limits: limit total-fences: it is one of all guests together",
        ),
        ("frames = -3", "frames: -3 is no length of a run"),
        ('clock = "wall"', "clock: Invalid enum value 'wall'"),
        ("outputs = []", "outputs: 0 outputs: a machine has 1 to 16"),
        ("[[outputs]]\n" * 17, "outputs: 17 outputs: a machine has 1 to 16"),
        ("[[outputs]]\nmode = 5", "outputs[0].mode: Expected str, got int"),
        ("[[outputs]]\nwidth = 5", "outputs[0]: table contains unknown field width"),
        (f'{TWO}[[outputs]]\nmode = "0x0"', 'outputs[2].mode: mode "0x0": width 0 is not in 16 to 8192'),
        ('[[outputs]]\nmode = "99999x64"', 'outputs[0].mode: mode "99999x64": width 99999 is not in'),
        ('[[outputs]]\nmode = "64x64@0"', 'outputs[0].mode: mode "64x64@0": refresh rate 0'),
        ('[[outputs]]\nmodes = ["64x64", "x"]', 'outputs[0].modes[1]: mode "x" is not of the form'),
        (
            '[[outputs]]\nname = "a"\nmode = "64x48"\nmodes = ["32x32"]',
            "outputs[0].mode: a has no mode 64x48@60; it has 32x32@60",
        ),
        (
            '[[outputs]]\nbackground = "red"',
            'outputs[0].background: "red" is not a colour of the form #rrggbb',
        ),
        ('[[outputs]]\npacing = "soon"', 'outputs[0].pacing: pacing "soon": use delay=MS, window=MS'),
        ('[[outputs]]\npacing = "delay=17"', "outputs[0].pacing: delay_ns 17000000 is not in 0 to 16666666"),
        ("[[outputs]]\nvariable_refresh = 48", "outputs[0].variable_refresh: Expected array | null, got int"),
        ("[[outputs]]\nvariable_refresh = [90, 40]", "outputs[0].variable_refresh: variable refresh from 90"),
        ("[[outputs]]\nvariable_refresh = [nan, 40]", "outputs[0].variable_refresh: [nan, 40.0] are no"),
        ("[[outputs]]\noverlays = 17", "outputs[0].overlays: planes: 17 overlays are not in 0 to 16"),
        ("[[outputs]]\ncursor_size = -1", "outputs[0].cursor_size: -1 is below 0"),
        ("[[outputs]]\nlinear_light = 1", "outputs[0].linear_light: Expected bool, got int"),
        ("[[outputs]]\nposition = [1]", "outputs[0].position: Expected array of length 2, got 1"),
        (
            "[[outputs]]\n[[outputs]]\nposition = [5, 5]",
            "outputs: output-1 (1024x768@60 at 5,5) overlaps output-0",
        ),
        ('[[outputs]]\nname = "a"\n[[outputs]]\nname = "a"', "outputs: two outputs are called a"),
        ("[[outputs]]\nposition = [9999999, 0]", "outputs: output-0: position 9999999,0 is beyond"),
        ('[[guests]]\nworkload = "gears"', "guests[0]: table missing required field kind"),
        ('[[guests]]\nkind = "vmware"', "guests[0].kind: Invalid value 'vmware'"),
        ('[[guests]]\nkind = "simulated"', "guests[0]: table missing required field workload"),
        (GUEST + 'program = "pattern"', "guests[0]: table contains unknown field program"),
        (GUEST.replace("plasma", "snow"), "guests[0].workload: there is no workload 'snow'; there are"),
        (GUEST + 'sync = "vsync"', "guests[0].sync: guest plasma: sync 'vsync' is not for it"),
        (GUEST + "memory = 0", "guests[0].memory: 0 is not in 1 to"),
        (GUEST + "render_ms = -1.0", "guests[0].render_ms: -1.0 is not in 0 to"),
        (GUEST + "patience_ms = inf", "guests[0].patience_ms: inf is not in 0 to"),
        (GUEST + 'name = "x"\n' + GUEST + 'name = "x"', 'guests[1].name: another guest is called "x"'),
        ('[[guests]]\nkind = "uml"', "guests[0].program: nothing to run; give program, command, initrd"),
        ('[[guests]]\nkind = "uml"\nprogram = "x"', "guests[0].program: there is no guest program 'x'"),
        ('[[guests]]\nkind = "uml"\nprogram = "pattern"\nmemory = 1', "guests[0].memory: 1 is not in 64 to"),
        (
            'clock = "virtual"\n[[guests]]\nkind = "qemu"\nprogram = "pattern"',
            "clock: a qemu guest keeps its own",
        ),
        (
            GUEST + "[[guests.places]]\nwidth = 0",
            "guests[0].places[0]: guest plasma: width 0 is not in 16 to",
        ),
        (GUEST + "[[guests.places]]\nheight = 50.0", "guests[0].places[0]: guest plasma: height 38400 is"),
        (GUEST + "[[guests.places]]\nheight = 20000", "guests[0].places[0]: guest plasma: height 20000 is"),
        (GUEST + "[[guests.places]]\nx = nan", "guests[0].places[0].x: nan is no number of pixels"),
        (GUEST + "[[guests.places]]\ny = -9999999", "guests[0].places[0].y: -9999999 is beyond"),
        (GUEST + '[[guests.places]]\noutput = "c"', 'guests[0].places[0].output: there is no output "c"'),
        (
            GUEST + '[[guests.places]]\nmirrors = ["c"]',
            'guests[0].places[0].mirrors[0]: there is no output "c"',
        ),
        (
            GUEST + '[[guests.places]]\nmirrors = ["output-0"]',
            "guests[0].places[0]: guest plasma: an output cannot",
        ),
        (
            GUEST + '[[guests.places]]\nspan = true\noutput = "output-0"',
            "guests[0].places[0].span: a place in",
        ),
        (
            GUEST + "[[guests.places]]\nclip = [0, 0, 0, 9]",
            "guests[0].places[0].clip: [0, 0, 0, 9] shows nothing",
        ),
        ("[timing]\ncompose_ms = -1.0", "timing.compose_ms: -1.0 is not in 0 to"),
        ("[timing]\nrepaint_delay_ms = 17.0", "timing.repaint_delay_ms: a period has 16.67 ms only"),
        (event('do = "plug"\noutput = "a"'), "events[0]: table missing required field at"),
        (event('at = 1\ndo = "explode"'), "events[0].do: Invalid value 'explode'"),
        (event('at = -1\ndo = "unplug"\noutput = "a"'), "events[0].at: -1.0 is no time of a run"),
        (event('at = 1\ndo = "plug"\noutput = "a"'), "events[0].output: a is plugged in at 1 s"),
        (
            event('at = 1\ndo = "unplug"\noutput = "c"'),
            'events[0].output: there is no output "c"; there are a, b',
        ),
        (event('at = 1\ndo = "mode"\noutput = "a"\nmode = "1x1"'), 'events[0].mode: mode "1x1": width 1 is'),
        (
            event('at = 1\ndo = "raise"\nguest = "x"'),
            'events[0].guest: there is no guest "x"; there are plasma',
        ),
        (
            event('at = 1\ndo = "raise"\nguest = "plasma"\nscanout = 1'),
            "events[0].scanout: guest plasma has 1",
        ),
        (
            event('at = 1\ndo = "move"\nguest = "plasma"\noutput = "c"'),
            'events[0].output: there is no output "c"',
        ),
        (
            event('at = 1\ndo = "move"\nguest = "plasma"\nwidth = 3'),
            "events[0]: guest plasma: width 3 is not in",
        ),
        (
            event('at = 1\ndo = "sync"\nguest = "plasma"\npolicy = "x"'),
            "events[0].policy: guest plasma: sync 'x'",
        ),
        (
            event('at = 1\ndo = "fault"\nguest = "plasma"\nfault = "x"'),
            'events[0].fault: there is no fault "x"',
        ),
        (
            '[[guests]]\nkind = "uml"\nprogram = "pattern"\n[[events]]\nat = 1\ndo = "reboot"\nguest = "uml"',
            "events[0].guest: uml is no simulated guest",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(text: str, message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_scene(text, "scene.toml")
    line = str(refusal.value)
    assert line.startswith(f"scene.toml: {message}")
    assert "\n" not in line


def test_events_are_checked_in_the_order_of_their_times() -> None:
    later = '[[events]]\nat = 2\ndo = "plug"\noutput = "b"\n[[events]]\nat = 1\ndo = "unplug"\noutput = "b"\n'
    parse_scene(TWO + later, "scene.toml")
    with pytest.raises(BadInput, match=r"events\[2\].output: b is not plugged in at 1.5 s"):
        parse_scene(
            TWO + later + '[[events]]\nat = 1.5\ndo = "mode"\noutput = "b"\nmode = "64x48"', "scene.toml"
        )


def test_a_mode_that_would_overlap_a_neighbour_is_refused_before_anything_starts() -> None:
    fixed = TWO.replace('name = "b"', 'name = "b"\nposition = [64, 0]')
    wider = '[[events]]\nat = 1\ndo = "mode"\noutput = "a"\nmode = "65x48"'
    with pytest.raises(BadInput, match=r"events\[0\].mode: b .* overlaps a .*"):
        parse_scene(fixed + wider, "scene.toml")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.toml: No such file"):
        read_scene(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"bytes\.toml: not a text"):
        read_scene(tmp_path / "bytes.toml")


# Scenes that were made to do harm.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 100_000, "no TOML: its brackets are nested too deeply"),
        ("a = " + "{a = " * 20_000, "no TOML: its brackets are nested too deeply"),
        ("seed = " + "9" * 5000, "no TOML: it has a number with thousands of digits"),
        ("seconds = 1" + "0" * 400, "seconds: Number out of range"),
        (".".join(["a"] * 20_000) + " = 1", "line 1 has more than 32 dots"),
        ("title = ''\n[" + ".".join(["a"] * 20_000) + "]", "line 2 has more than 32 dots"),
        (GUEST * 3000, "guests: 3000 of them: a scene has at most 256"),
        (GUEST + "[[guests.places]]\n" * 17, "guests[0].places: 17 of them: a guest has at most 16 scanouts"),
        ("[[outputs]]\n" * 3000, "outputs: 3000 outputs"),
        ('[[outputs]]\nname = "../a"', 'outputs: "../a" is no name'),
        (GUEST + 'name = "\\u001b[2J"', 'guests[0].name: "\\x1b[2J" is no name'),
        (GUEST + f'name = "{"x" * 65}"', "guests[0].name: a name of 65 characters"),
        (
            GUEST + "[[guests.places]]\nclip = [0, 0, 9, 9223372036854775807]",
            "guests[0].places[0]: guest plasma",
        ),
    ],
    ids=lambda value: value[:20],
)
def test_what_would_cost_time_or_memory_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_scene(text, "scene.toml")
    line = str(refusal.value)
    assert line.startswith(f"scene.toml: {message}")
    assert line.isprintable()


def test_a_scene_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * (1 << 17) + b"\n")
    with pytest.raises(BadInput, match=r"large\.toml: larger than 131072 bytes"):
        read_scene(path)


def test_a_fifo_is_no_scene_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.toml")
    with pytest.raises(BadInput, match=r"fifo\.toml: not a regular file"):
        read_scene(tmp_path / "fifo.toml")


PROGRAMS = [
    ("uml", 'kernel = "/bin/true"'),
    ("uml", 'command = ["/bin/true"]'),
    ("uml", 'root = "/"'),
    ("uml", 'initrd = "/etc/passwd"'),
    ("qemu", 'kernel = "/bin/true"'),
    ("qemu", 'arguments = ["-netdev", "tap,script=/bin/true"]'),
]


@pytest.mark.parametrize(("kind", "key"), PROGRAMS)
def test_a_stranger_s_scene_runs_no_program_of_this_machine_without_leave(kind: str, key: str) -> None:
    text = f'[[guests]]\nkind = "{kind}"\nprogram = "pattern"\n{key}'
    with pytest.raises(BadInput) as refusal:
        parse_scene(text, "scene.toml")
    assert str(refusal.value).startswith(f"scene.toml: guests[0].{key.split(maxsplit=1)[0]}: ")
    assert str(refusal.value).endswith("add --allow-programs")


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, key in PROGRAMS if not key.startswith("kernel")]
)
def test_with_leave_a_scene_names_programs(kind: str, key: str) -> None:
    given = "" if key.startswith("command") else 'program = "pattern"\n'
    text = f'[[guests]]\nkind = "{kind}"\n{given}{key}'
    parse_scene(text, "scene.toml", allow_programs=True)


def test_programs_that_ship_need_no_leave() -> None:
    parse_scene('[[guests]]\nkind = "uml"\nprogram = "pattern"', "scene.toml")


OWN = "tests.guest.workloads.samples.own"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("workload", 'workload = "os:system"'),
        ("workload", 'workload = "no_such_module:X"'),
        ("workload", 'workload = "/etc/secret.png"'),
        ("workload", 'workload = "LOGO.PNG"'),
        ("arguments", 'workload = "gears"\narguments = { seed = 3 }'),
    ],
)
def test_a_stranger_s_scene_imports_no_module_and_reads_no_picture_without_leave(key: str, text: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_scene(f'[[guests]]\nkind = "simulated"\n{text}', "scene.toml")
    assert str(refusal.value).startswith(f"scene.toml: guests[0].{key}: the scene would run or read")


def test_nothing_of_a_strangers_module_runs_before_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strange_module.py").write_text("raise SystemExit('it ran')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match="add --allow-programs"):
        parse_scene('[[guests]]\nkind = "simulated"\nworkload = "strange_module:X"', "scene.toml")


def test_with_leave_a_scene_shows_a_class_with_its_arguments_under_a_name_of_its_own() -> None:
    text = f'[[guests]]\nkind = "simulated"\nworkload = "{OWN}:Bar"\narguments = {{ grey = 7 }}\n' * 2
    guests = parse_scene(text, "scene.toml", allow_programs=True).guests
    assert list(guests) == ["Bar", "Bar-2"]
    guest = guests["Bar"].guest
    assert isinstance(guest, SimulatedGuest)
    assert isinstance(guest.workload, Bar)
    assert guest.workload.grey == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'workload = "{OWN}:Nope"', f"workload: workload {OWN}:Nope: {OWN} has no 'Nope'"),
        ('workload = "nowhere:X"', "workload: workload nowhere:X: there is no module 'nowhere'"),
        ('workload = "no.png"', "workload: cannot read no.png: No such file"),
        ('workload = "gears"\narguments = { colour = 3 }', "workload: gears: TypeError: .*'colour'"),
        ('workload = "gears"\narguments = 3', "arguments: Expected table, got int"),
    ],
)
def test_mistakes_with_leave_are_one_line_that_names_the_key(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=rf"^scene\.toml: guests\[0\]\.{message}") as refusal:
        parse_scene(f'[[guests]]\nkind = "simulated"\n{text}', "scene.toml", allow_programs=True)
    assert "\n" not in str(refusal.value)

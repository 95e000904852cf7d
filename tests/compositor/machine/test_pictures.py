"""Pictures of one's own, from the author's array to the screen: exact, and every copied byte counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from compositor import Machine, Output, Placement
from compositor.output.frame import Frame
from guest import Picture, SimulatedGuest
from virtio.errors import Misuse
from virtio.gpu.formats import Format

Rect = tuple[int, int, int, int]
WIDTH, HEIGHT = 96, 64
MODE = f"{WIDTH}x{HEIGHT}@60"


def noise(width: int, height: int, seed: int = 0, channels: int = 4) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), np.uint8)


def opaque(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What a monitor shows of premultiplied colours over black."""
    shown = rgba.copy()
    shown[..., 3] = 255
    return shown


async def shown(picture: Picture, **options: Any) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """What a monitor of the picture's size shows of it, and the guest's statistics."""
    async with Machine(outputs=[Output(f"{picture.size[0]}x{picture.size[1]}@60", **options)]) as machine:
        await machine.attach(SimulatedGuest(picture, memory=32 << 20))
        await machine.run(seconds=0.05)
        return machine.screenshot(), machine.stats()["guests"][0]


sizes = st.tuples(st.integers(64, 200), st.integers(64, 120))


@settings(max_examples=40, deadline=None)
@given(
    size=sizes,
    pixel_format=st.sampled_from(Format),
    padding=st.integers(0, 70),
    direct=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_blob_of_any_format_size_and_stride_is_shown_exactly_and_never_copied(
    size: tuple[int, int], pixel_format: Format, padding: int, direct: bool, seed: int
) -> None:
    rgba = noise(*size, seed)
    picture = Picture(rgba, format=pixel_format, stride=4 * size[0] + padding)
    screen, guest = asyncio.run(shown(picture, direct_scanout=direct))
    assert np.array_equal(screen, opaque(rgba))
    assert guest["bytes"]["transfer"] == 0
    assert "TRANSFER_TO_HOST_2D" not in guest["commands"]


@settings(max_examples=20, deadline=None)
@given(size=sizes, pixel_format=st.sampled_from(Format), seed=st.integers(0, 99))
def test_a_2d_resource_of_any_format_is_shown_exactly_and_copied_once(
    size: tuple[int, int], pixel_format: Format, seed: int
) -> None:
    rgba = noise(*size, seed)
    screen, guest = asyncio.run(shown(Picture(rgba, format=pixel_format, resource="2d")))
    assert np.array_equal(screen, opaque(rgba))
    assert guest["bytes"]["transfer"] == 4 * size[0] * size[1]
    assert "SET_SCANOUT_BLOB" not in guest["commands"]


@st.composite
def apart(draw: st.DrawFn) -> list[Rect]:
    """Rectangles that do not overlap: one in each of some columns."""
    columns = draw(st.lists(st.integers(0, 5), unique=True, min_size=1))
    rects = []
    for column in columns:
        width, height = draw(st.integers(1, 16)), draw(st.integers(1, HEIGHT))
        rects.append((16 * column, draw(st.integers(0, HEIGHT - height)), width, height))
    return rects


async def changed(rects: list[list[Rect]], resource: str, **options: Any) -> None:
    """Change a picture rectangle by rectangle, and hold screen, damage and bytes to that."""
    content = noise(WIDTH, HEIGHT)
    picture = Picture(content, resource=resource)  # type: ignore[arg-type]
    followed = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    areas: list[int] = []

    def follow(frame: Frame) -> None:
        areas.append(sum(rect.width * rect.height for rect in frame.damage))
        for rect in frame.damage:
            place = slice(rect.y, rect.bottom), slice(rect.x, rect.right)
            followed[place] = frame.snapshot()[place]

    async with Machine(outputs=[Output(MODE, **options)]) as machine:
        machine.listen(0, follow)
        await machine.attach(SimulatedGuest(picture, memory=32 << 20))
        await machine.run(seconds=0.05)
        assert areas == [WIDTH * HEIGHT]
        expected = 4 * WIDTH * HEIGHT
        for number, damage in enumerate(rects, 1):
            fresh = noise(WIDTH, HEIGHT, number)
            for x, y, width, height in damage:
                content[y : y + height, x : x + width] = fresh[y : y + height, x : x + width]
                expected += 4 * width * height
            picture.show(content, damage=damage)
            await machine.run(seconds=0.05)
            assert np.array_equal(machine.screenshot(), opaque(content))
            assert np.array_equal(followed, opaque(content))
            left, top = min(r[0] for r in damage), min(r[1] for r in damage)
            right, bottom = max(r[0] + r[2] for r in damage), max(r[1] + r[3] for r in damage)
            assert areas[-1] == (right - left) * (bottom - top)
        stats = machine.stats()["guests"][0]
        assert stats["frames"]["presented"] == 1 + len(rects)
        assert stats["bytes"]["transfer"] == (expected if resource == "2d" else 0)
        assert stats["frames"].get("early_reuse", 0) == 0


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("resource", ["blob", "2d"])
@settings(max_examples=15, deadline=None)
@given(rects=st.lists(apart(), min_size=1, max_size=5))
def test_damage_alone_is_copied_and_is_the_damage_of_the_frame(
    resource: str, direct: bool, rects: list[list[Rect]]
) -> None:
    asyncio.run(changed(rects, resource, direct_scanout=direct))


async def test_what_is_declared_unchanged_is_not_looked_at() -> None:
    """The opposite of the test above: damage that says too little leaves the old pixels on the screen."""
    picture = Picture(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    async with Machine(outputs=[Output(MODE, direct_scanout=False)]) as machine:
        await machine.attach(SimulatedGuest(picture))
        await machine.run(seconds=0.05)
        picture.show(np.full((HEIGHT, WIDTH, 3), 200, np.uint8), damage=[(8, 8, 4, 4)])
        await machine.run(seconds=0.05)
        shot = machine.screenshot()
        assert (shot[8:12, 8:12, :3] == 200).all()
        assert (shot[..., 0] == 200).sum() == 16


async def test_of_several_changes_in_a_refresh_the_last_is_shown_with_the_damage_of_all() -> None:
    content = noise(WIDTH, HEIGHT, channels=3)
    picture, damages = Picture(content), list[Any]()
    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(SimulatedGuest(picture))
        await machine.run(seconds=0.1)
        machine.listen(0, lambda frame: damages.append(list(frame.damage)))
        for step in range(5):
            content[step * 10 : step * 10 + 4, 20:30] = step
            picture.show(content, damage=[(20, step * 10, 10, 4)])
        await machine.run(seconds=0.1)
        assert np.array_equal(machine.screenshot()[..., :3], content)
        assert machine.presented == 2
        assert [tuple(rect) for rect in damages[0]] == [(20, 0, 10, 44)]


async def test_a_still_picture_is_shown_once_and_then_its_guest_sleeps() -> None:
    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(SimulatedGuest(Picture(noise(WIDTH, HEIGHT))))
        await machine.run(seconds=1.0)
        assert machine.presented == 1


async def test_a_picture_outlives_its_guests_and_is_whole_on_the_next_one() -> None:
    picture = Picture(noise(WIDTH, HEIGHT, channels=3))
    for value in (10, 20):
        async with Machine(outputs=[MODE]) as machine:
            await machine.attach(SimulatedGuest(picture))
            await machine.run(seconds=0.05)
            content = np.full((HEIGHT, WIDTH), value, np.uint8)
            picture.show(content)
            await machine.run(seconds=0.05)
            assert (machine.screenshot()[..., :3] == value).all()
        assert picture.listeners == []


async def test_a_guest_shows_its_picture_again_after_a_reboot_and_a_change_of_mode() -> None:
    rgba = noise(WIDTH, HEIGHT)
    async with Machine(outputs=["200x100@60"]) as machine:
        guest = SimulatedGuest(Picture(rgba))
        await machine.attach(guest)
        await machine.run(seconds=0.05)
        guest.start()
        await machine.run(seconds=0.05)
        assert np.array_equal(machine.screenshot()[:HEIGHT, :WIDTH], opaque(rgba))
        machine.set_mode(0, "300x200@60")
        await machine.run(seconds=0.05)
        assert np.array_equal(machine.screenshot()[:HEIGHT, :WIDTH], opaque(rgba))


async def test_one_picture_is_shown_by_several_guests() -> None:
    content = noise(WIDTH, HEIGHT)
    picture = Picture(content)
    async with Machine(outputs=[MODE, MODE]) as machine:
        for output in range(2):
            await machine.attach(SimulatedGuest(picture), [Placement(output=output)])
            await machine.run(seconds=0.05)
        content[3:9, 4:20] = 7
        picture.show(content, damage=[(4, 3, 16, 6)])
        await machine.run(seconds=0.05)
        for output in range(2):
            assert np.array_equal(machine.screenshot(output), opaque(content))


async def test_a_picture_larger_than_a_guests_usual_memory_is_shown() -> None:
    picture = Picture(np.full((4800, 4800), 30, np.uint8))
    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(SimulatedGuest(picture))
        await machine.run(seconds=0.05)
        assert (machine.screenshot()[..., :3] == 30).all()
    with pytest.raises(Misuse, match="picture: memory=1048576: its guest needs 278589440 bytes"):
        SimulatedGuest(picture, memory=1 << 20)


async def test_a_guest_that_cannot_be_attached_leaves_nothing_in_the_scene() -> None:
    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(SimulatedGuest(Picture(np.full((HEIGHT, WIDTH), 30, np.uint8))))
        with pytest.raises(Misuse, match="guest memory is full"):
            await machine.attach(SimulatedGuest("gears", memory=1 << 16))
        await machine.run(seconds=0.05)
        assert len(machine.guests) == 1
        assert [guest["name"] for guest in machine.stats()["guests"]] == ["picture"]
        await machine.attach(SimulatedGuest(Picture(np.full((HEIGHT, WIDTH), 40, np.uint8), name="gears")))
        await machine.run(seconds=0.05)
        assert (machine.screenshot()[..., :3] == 40).all()


@pytest.mark.parametrize("sync", ["none", "blocking", "release", "out-fence", "queue"])
@pytest.mark.parametrize("resource", ["blob", "2d"])
async def test_pictures_change_under_every_policy(sync: str, resource: Any) -> None:
    content = noise(WIDTH, HEIGHT)
    picture = Picture(content, resource=resource)
    async with Machine(outputs=[Output(MODE, direct_scanout=False)]) as machine:
        await machine.attach(SimulatedGuest(picture, sync=sync))
        for step in range(30):
            await machine.run(seconds=0.007)
            content[step, step : step + 9] = 255 - step
            picture.show(content, damage=[(step, step, 9, 1)])
        await machine.run(seconds=0.1)
        assert np.array_equal(machine.screenshot(), opaque(content))


# What a picture can be made of.


def test_grey_and_rgb_arrays_and_images_of_every_common_mode(tmp_path: Path) -> None:
    rgb = noise(40, 30, channels=3)
    assert np.array_equal(Picture(rgb).rgba[..., :3], rgb)
    grey = Picture(rgb[..., 0]).rgba
    assert (grey[..., 2] == rgb[..., 0]).all()
    image = Image.fromarray(rgb)
    assert np.array_equal(Picture(image).rgba[..., :3], rgb)
    assert np.array_equal(Picture(image.convert("L")).rgba[..., 1], np.asarray(image.convert("L")))
    image.save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        assert np.array_equal(Picture(path).rgba[..., :3], rgb)
    palette = image.convert("P")
    assert np.array_equal(Picture(palette).rgba, np.asarray(palette.convert("RGBA")))


def test_an_image_is_premultiplied_and_an_array_is_not() -> None:
    straight = np.zeros((16, 16, 4), np.uint8)
    straight[...] = (200, 101, 3, 128)
    assert Picture(straight).rgba[0, 0].tolist() == [200, 101, 3, 128]
    assert Picture(Image.fromarray(straight)).rgba[0, 0].tolist() == [100, 51, 2, 128]


def test_the_format_follows_alpha() -> None:
    assert Picture(noise(16, 16)).format is Format.B8G8R8A8
    assert Picture(noise(16, 16, channels=3)).format is Format.B8G8R8X8
    assert Picture(noise(16, 16), format="XB24").format is Format.R8G8B8X8
    assert repr(Picture(noise(20, 16), format="XB24")) == "<Picture picture 20x16 R8G8B8X8 blob>"


def test_the_picture_is_a_copy_of_what_was_given() -> None:
    array = noise(16, 16)
    picture = Picture(array)
    before = picture.rgba
    array[...] = 0
    picture.rgba[...] = 0
    assert np.array_equal(picture.rgba, before)


GOOD = np.zeros((32, 32, 4), np.uint8)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (GOOD.astype(np.float32), {}, r"picture: an array of float32: channels are uint8, 0 to 255"),
        (GOOD.astype(np.uint16), {}, "an array of uint16"),
        (GOOD[..., :2], {}, r"an array of shape \(32, 32, 2\): give \(height, width, 4\)"),
        (GOOD[0, 0], {}, r"an array of shape \(4,\)"),
        (GOOD[:15], {}, r"32x15 pixels: a scanout shows 16 to 16384 along each side"),
        (GOOD[:, :0], {}, r"0x32 pixels"),
        (np.zeros((16, 16_385), np.uint8), {}, r"16385x16 pixels"),
        (GOOD, {"format": "NV12"}, r"format 'NV12': there are B8G8R8A8 \(AR24\), .*R8G8B8X8 \(XB24\)"),
        (GOOD, {"stride": 127}, "stride=127: 32 pixels take 128 bytes at least"),
        (GOOD, {"stride": 1 << 32}, "stride=4294967296"),
        (GOOD, {"stride": 132, "resource": "2d"}, "rows of a 2D resource have 128 bytes here"),
        (GOOD, {"resource": "3d"}, r'resource=\'3d\': there are "blob" and "2d"'),
        (GOOD, {"name": "logo", "stride": 1}, "^logo: "),
        ([[1, 2], [3, 4]], {}, "list is no picture: give an array, an image of Pillow's or a PNG's path"),
        (None, {}, "NoneType is no picture"),
        (Image.new("I;16", (32, 32)), {}, "an image of mode I;16: scanouts have 8 bits a channel"),
        (Image.new("F", (32, 32)), {}, "an image of mode F"),
        ("missing.png", {}, r"cannot read missing\.png: No such file"),
        (".", {}, r"cannot read \.: Is a directory"),
        (__file__, {}, r"test_pictures\.py is not a PNG"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(content: Any, options: Any, message: str) -> None:
    with pytest.raises(Misuse, match=message) as refused:
        Picture(content, **options)
    assert "\n" not in str(refused.value)


def test_a_truncated_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.fromarray(noise(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(Misuse, match=r"cut\.png"):
        Picture(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ([(0, 0, 33, 1)], r"damage \(0, 0, 33, 1\) is empty or not inside of 32x32 pixels"),
        ([(-1, 0, 3, 1)], "is empty or not inside"),
        ([(0, 0, 0, 1)], "is empty or not inside"),
        ([(0, 31, 1, 2)], "is empty or not inside"),
        ([(0, 0, 1)], r"give a list of \(x, y, width, height\)"),
        ([(0.5, 0, 1, 1)], "give a list of"),
        (7, "give a list of"),
        ((0, 0, 4, 4), "give a list of"),
    ],
)
def test_damage_that_is_none_is_refused_and_nothing_changes(damage: Any, message: str) -> None:
    picture = Picture(GOOD)
    with pytest.raises(Misuse, match=message):
        picture.show(GOOD + 1, damage=damage)
    assert np.array_equal(picture.rgba, GOOD)


def test_a_change_of_size_is_refused() -> None:
    with pytest.raises(Misuse, match="31x32 pixels: it has 32x32; for another size, show another picture"):
        Picture(GOOD).show(GOOD[:, :31])


@pytest.mark.parametrize("options", [{"size": (64, 64)}, {"frames": 3}, {"render_ns": 5}])
def test_what_does_not_go_with_a_picture_is_refused(options: Any) -> None:
    with pytest.raises(Misuse, match="a picture has its own size and is drawn when it changes"):
        SimulatedGuest(Picture(GOOD), **options)

from compositor.output.primary_plane import Framebuffers
from compositor.pixels.geometry import Rect


def test_a_buffer_that_is_busy_is_not_painted() -> None:
    buffers = Framebuffers()
    first = buffers.acquire(8, 4, ())
    assert buffers.acquire(8, 4, ()) is first
    second = buffers.acquire(8, 4, (first,))
    assert second is not first
    assert buffers.acquire(8, 4, (None, second)) is first
    assert len(buffers) == 2


def test_each_remembers_what_changed_since_it_was_painted() -> None:
    buffers = Framebuffers()
    first = buffers.acquire(8, 4, ())
    second = buffers.acquire(8, 4, (first,))
    assert [*first.stale] == [*second.stale] == [Rect(0, 0, 8, 4)], "a new one is stale everywhere"
    first.stale.clear()
    second.stale.clear()
    buffers.damage(Rect(0, 0, 2, 2))
    first.stale.clear()
    buffers.damage(Rect(4, 0, 1, 1))
    assert (first.stale.area, second.stale.area) == (1, 5)
    assert buffers.acquire(8, 4, ()) is first, "the one with the least to paint"


def test_another_mode_needs_others() -> None:
    buffers = Framebuffers()
    buffers.acquire(8, 4, ())
    assert buffers.acquire(16, 4, ()).pixels.shape == (4, 16, 4)
    assert len(buffers) == 1

import pytest

from compositor.errors import ScreenError
from compositor.render.gl import library


class FakeGl:
    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def glGetError(self) -> int:
        return self.codes.pop(0)


def test_errors_of_the_driver_are_named_with_what_we_were_doing() -> None:
    gl = FakeGl(0, 0x0505, 0x9999)
    library.check(gl, "drawing a frame")
    with pytest.raises(ScreenError, match="OpenGL driver reports OUT_OF_MEMORY while drawing a frame"):
        library.check(gl, "drawing a frame")
    with pytest.raises(ScreenError, match="reports 0x9999 while uploading"):
        library.check(gl, "uploading a frame")

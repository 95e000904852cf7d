from compositor.output.output import Output
from compositor.screen.headless import HeadlessScreen, Screen


def test_the_headless_screen_is_a_screen_that_costs_nothing() -> None:
    screen: Screen = HeadlessScreen()
    output = Output("640x480")
    frame = output.commit(0)
    assert frame is not None
    screen.show(output, frame)
    screen.close()
    screen.close()
    assert not screen.realtime
    assert screen.upload_bytes == 0

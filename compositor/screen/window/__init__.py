"""A window for each output, for people: the plainest one that shows every pixel as it is.

| module | holds |
|---|---|
| `layout` | where the picture lies in the window |
| `driver` | pyglet and OpenGL, or one line that says why not |
| `picture` | the picture on the display's side, updated by damage |
| `composition`, `choice` | the same composed by OpenGL; whether that is done |
| `events` | the X connection, served by the asyncio loop |
| `shell` | `WindowScreen`: keys, resizing, drawing |

pyglet is imported here alone, and only when a window is opened.
"""

from __future__ import annotations

from compositor.screen.window.shell import WindowScreen

__all__ = ["WindowScreen"]

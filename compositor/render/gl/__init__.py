"""The GL renderer: the CPU renderer's layers, drawn by OpenGL through pyglet; for windows (`--renderer gl`).

| module | holds |
|---|---|
| `library` | pyglet's OpenGL, loaded late |
| `context` | a context without a window |
| `renderer` | `GlRenderer`: layers and damage in, a picture in a `Target` out |
| `target` | what is drawn into and read back from |
| `painter`, `program` | the strokes: fill, copy, blend; the shader |
| `textures`, `texture` | the buffers' pixels on OpenGL's side, kept between frames |
| `upload`, `ways` | the ways to get them there by a copy; which is right, and which is fastest here |
| `peer` | pyglet's own way, to compare with |

What pixels a frame has is decided by the CPU renderer, exactly; digests and screenshots are made of those.
"""

from __future__ import annotations

from compositor.render.gl.context import HeadlessContext
from compositor.render.gl.renderer import GlRenderer
from compositor.render.gl.target import Target

__all__ = ["GlRenderer", "HeadlessContext", "Target"]

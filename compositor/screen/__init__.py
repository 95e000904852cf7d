"""Where frames are shown: nowhere, or in a window."""

from typing import Literal

Renderer = Literal["cpu", "gl", "auto"]
"""Who composes what a window shows: the CPU, OpenGL, or the faster one of them, measured."""

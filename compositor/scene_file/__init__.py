"""Scenes as files: TOML that says which outputs, guests and events there are.

scene = read_scene(Path("scene.toml"))      # or builtin("demo")
machine = Machine(outputs=scene.outputs, ...)
await scene.start(machine)
"""

from compositor.scene_file.builtin import SCENES, builtin, title, workload_scene
from compositor.scene_file.read import read_scene
from compositor.scene_file.scene import SceneFile

__all__ = ["SCENES", "SceneFile", "builtin", "read_scene", "title", "workload_scene"]

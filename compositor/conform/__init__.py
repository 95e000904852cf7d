"""The specification, played against any vhost-user virtio-gpu device: `scanout conform`.

A *check* is a small function that plays one requirement (`check`). A *rig* gives it what it needs and takes
it away afterwards: connections (`wire`), a guest with memory and rings of its own (`memory`, `ring`,
`guest`), all of them with a deadline. The *suite* runs checks against a *target*, and starts a fresh device
where the last one died, hung or was found wrong.

The device is trusted in nothing: whatever it answers, or leaves unanswered, is a verdict.
"""

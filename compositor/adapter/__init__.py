"""The adapter: virtio's display port on the scene. It knows the device and no guest."""

"""virtio: what the specification and the kernel define.

Memory shared with a guest, virtqueues, fences, the virtio-gpu device and the vhost-user protocol.
Nothing here imports `guest` or `compositor`; the host's side of the display is the port
`virtio.gpu.display.Display`.
"""

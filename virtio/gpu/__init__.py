"""The virtio-gpu device (virtio 1.3, 5.7) and the display port that it shows its frames on."""

"""vhost-user: a virtio device in another process than its VMM, both sides of the protocol."""

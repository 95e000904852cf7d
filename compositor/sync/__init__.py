"""Who waits for whom: sync policies, and buffers that a guest takes back too early."""

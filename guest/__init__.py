"""guest: what runs inside a virtual machine, simulated or real."""

"""A process that serves strangers gives its rights away: to start programs, to open files, to connect."""

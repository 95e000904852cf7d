"""What each command does; `compositor.cli` holds the command line alone."""

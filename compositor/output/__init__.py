"""A monitor: what it can show, which plane shows what, and the frames that it commits."""

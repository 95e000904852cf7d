"""Pixels by themselves: rectangles and regions, formats, how a plane shows a buffer, PNG files."""

"""Where frames are shown: nowhere, or in a window."""

"""What the pytest plugin is made of: machines that are closed with their test, guests, golden pictures.

`compositor.pytest_plugin` has the fixtures, options and the marker; a test needs nothing from here.
"""

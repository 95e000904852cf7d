"""compositor: what the host does with frames."""

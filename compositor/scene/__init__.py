"""What guests show, in the layout of outputs: the tree of surfaces."""

"""From layers to a picture, exact in every bit."""

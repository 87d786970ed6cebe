"""One file per family of layers, everything about a kind in one place."""

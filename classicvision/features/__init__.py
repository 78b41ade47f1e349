"""Local features of one image: the scale space, its extrema, their orientations and descriptors; and edges."""

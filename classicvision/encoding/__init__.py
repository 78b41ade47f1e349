"""From the local features of an image to one vector: the visual vocabulary and the codes over it."""

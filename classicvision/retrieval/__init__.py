"""Many pictures: an index of visual words on disk, and the search for copies in it."""

"""Two pictures: which keypoints correspond, which transforms explain that, and whether one is a copy of the other."""

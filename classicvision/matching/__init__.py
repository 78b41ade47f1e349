"""Matching two images: corresponding keypoints, the transforms that explain them, and the verdict copy or not."""

"""Synthetic images with ground truth: drawn shapes, and edited copies of images.

`drawn` has shapes whose keypoints are known; `plagiarise` edits an image and returns the transform of its points.
All randomness comes from the generator passed in.
"""

from classicvision.synthetic.drawn import blobs, canary, textures
from classicvision.synthetic.plagiarism import EDITS, plagiarise

__all__ = ["EDITS", "blobs", "canary", "plagiarise", "textures"]

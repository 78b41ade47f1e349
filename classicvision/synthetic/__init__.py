"""Images with known truth: drawn from numbers, or made from a photograph as plagiarists make them.

`drawn` has shapes whose keypoints are known; `plagiarise` edits a picture and says where each of its points went.
Chance comes from the generator that is passed in.
"""

from classicvision.synthetic.drawn import blobs, canary, textures
from classicvision.synthetic.plagiarism import EDITS, plagiarise

__all__ = ["EDITS", "blobs", "canary", "plagiarise", "textures"]

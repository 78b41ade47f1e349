"""Drawings: keypoints on an image, the regions that two images share, and every step of SIFT on one sheet."""

from classicvision.viz.drawing import draw_keypoints
from classicvision.viz.matches import draw_copy_moves, draw_matches
from classicvision.viz.sift_steps import sift_steps_sheet, write_sift_steps

__all__ = ["draw_copy_moves", "draw_keypoints", "draw_matches", "sift_steps_sheet", "write_sift_steps"]

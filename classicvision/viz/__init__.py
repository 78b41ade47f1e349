"""Drawings: keypoints on a picture, and every step of SIFT on one sheet."""

from classicvision.viz.drawing import draw_keypoints
from classicvision.viz.stages import stages_sheet, write_stages

__all__ = ["draw_keypoints", "stages_sheet", "write_stages"]

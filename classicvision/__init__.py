"""Classical computer vision: SIFT, visual words, image classification."""

from classicvision._version import __version__

__all__ = ["__version__"]

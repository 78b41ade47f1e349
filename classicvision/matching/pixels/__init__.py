"""Verification by pixels: whether two images agree where a transform lays them on each other."""

"""Measurements: classifiers, recipes against each other, keypoint detectors, networks; `report` renders them."""

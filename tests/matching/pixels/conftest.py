"""Images with known truth for the verification by pixels."""

import cv2
import numpy as np
import pytest
from skimage import data


@pytest.fixture(scope="session")
def scene():
    """A photograph, (300, 400, 3)."""
    return cv2.resize(data.astronaut(), (400, 300), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def other_scene():
    return cv2.resize(data.coffee(), (400, 300), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def page():
    """Return a function that writes lines of words on white paper, (600, 800, 3)."""

    def write(lines):
        image = np.full((600, 800, 3), 255, np.uint8)
        for row, line in enumerate(lines):
            cv2.putText(image, line, (30, 70 + 65 * row), cv2.FONT_HERSHEY_DUPLEX, 1.3, (20, 20, 20), 2, cv2.LINE_AA)
        return image

    return write

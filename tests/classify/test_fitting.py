"""The summary of a training."""

import numpy as np
import pytest

from classicvision.classify.fitting import summarise_training
from classicvision.classify.training import CrossValidation
from classicvision.folders import ImageFolder


def test_the_summary_has_the_mean_and_the_sample_deviation_of_the_folds(texture_folder):
    validation = CrossValidation(np.zeros(24, np.intp), np.array([0.5, 1.0]), 0.7, 1.0)
    summary = summarise_training(ImageFolder.open(texture_folder), validation, 2)
    assert (summary.folds, summary.accuracy, summary.mean_per_class_accuracy) == (2, 0.75, 0.7)
    assert summary.accuracy_deviation == pytest.approx(0.5 / 2**0.5)
    assert (summary.n_images, summary.n_unreadable) == (24, 2)

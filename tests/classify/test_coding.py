"""Codes by several processes."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.classify.coding import encode_in_workers
from classicvision.encoding.bovw import BovwSettings
from classicvision.extraction import extract
from classicvision.features.dense import DenseSift
from classicvision.folders import ImageFolder


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_several_processes_give_the_same_bits_as_one(texture_folder, n_jobs):
    paths = ImageFolder.open(texture_folder).paths
    items = extract(paths, DenseSift(step=8, bin_sizes=(4,))).items
    codebook = BovwSettings(n_words=10, n_samples=500).learn(items, np.random.default_rng(0))
    assert_array_equal(encode_in_workers(codebook, items, n_jobs), codebook.encode_all(items))


def test_no_images_have_no_codes(texture_folder):
    items = extract(ImageFolder.open(texture_folder).paths, DenseSift(step=8, bin_sizes=(4,))).items
    codebook = BovwSettings(n_words=10, n_samples=500).learn(items, np.random.default_rng(0))
    assert encode_in_workers(codebook, items[:0], 2).shape == (0, 10)

"""Weights and normalisations that make histograms of words comparable by a scalar product.

All functions take one code (D,) or several (N, D), work along the last axis and return float32. A row of zeros, the
code of an image without keypoints, stays zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["additive_chi2_map", "hellinger", "idf", "l1", "l2", "signed_power"]

# Vedaldi and Zisserman (2012): the best sampling period L for 1, 2 and 3 samples.
_CHI2_PERIOD = {1: 0.8, 2: 0.5, 3: 0.4}


def l1(codes: NDArray[Any]) -> NDArray[np.float32]:
    """Divide each row by the sum of its absolute values."""
    values = np.asarray(codes, np.float32)
    return _divide(values, np.abs(values).sum(axis=-1, keepdims=True))


def l2(codes: NDArray[Any]) -> NDArray[np.float32]:
    """Divide each row by its Euclidean norm."""
    values = np.asarray(codes, np.float32)
    return _divide(values, np.sqrt(np.square(values).sum(axis=-1, keepdims=True)))


def hellinger(codes: NDArray[Any]) -> NDArray[np.float32]:
    """L1-normalise each row and take signed square roots; the result has Euclidean norm 1.

    The scalar product of two results is the Hellinger (Bhattacharyya) kernel of the histograms (Vedaldi and Zisserman
    2012, table 1; Perronnin et al. 2010, section 3.2, for negative values).
    """
    shares = l1(codes)
    return np.copysign(np.sqrt(np.abs(shares)), shares)


def signed_power(codes: NDArray[Any], power: float) -> NDArray[np.float32]:
    """Raise the magnitude of each value to a power and keep its sign (Perronnin et al. 2010, equation 6)."""
    values = np.asarray(codes, np.float32)
    sizes: NDArray[np.float32] = np.abs(values)
    if power == 0.5:
        np.sqrt(sizes, out=sizes)
    else:
        np.power(sizes, np.float32(power), out=sizes)
    return np.copysign(sizes, values, out=sizes)


def additive_chi2_map(codes: NDArray[Any], n_samples: int = 2) -> NDArray[np.float32]:
    """Map histograms so that scalar products approximate the additive chi-squared kernel sum 2 x y / (x + y).

    Parameters
    ----------
    codes : (N, D) or (D,) array
        Non-negative. For L1-normalised codes the results have Euclidean norm 0.89, 0.95 and 0.97 with 1, 2 and 3
        samples.
    n_samples : {1, 2, 3}
        Samples of the kernel's spectrum. More approximate it better and make longer codes.

    Returns
    -------
    (N, D * (2 * n_samples - 1)) or (D * (2 * n_samples - 1),) float32
        The D terms of frequency 0, then D cosines and D sines per further frequency.
    """
    values = np.asarray(codes, np.float32)
    if n_samples not in _CHI2_PERIOD:
        raise ValueError(f"n_samples is {n_samples}; choose 1, 2 or 3")
    if values.size and values.min() < 0:
        raise ValueError(f"a code contains {values.min()}; the chi-squared kernel needs non-negative values")
    period = _CHI2_PERIOD[n_samples]
    logarithm = np.log(values, out=np.zeros_like(values), where=values > 0)
    parts = [np.sqrt(values * period)]  # the spectrum sech(pi frequency) is 1 at frequency 0
    for sample in range(1, n_samples):
        # Vedaldi and Zisserman (2012), equation 9, with the chi-squared spectrum of table 1.
        frequency = sample * period
        amplitude = np.sqrt(2 * values * period / math.cosh(math.pi * frequency))
        parts += [amplitude * np.cos(frequency * logarithm), amplitude * np.sin(frequency * logarithm)]
    return np.concatenate(parts, axis=-1, dtype=np.float32)


def idf(document_counts: NDArray[Any], n_images: int) -> NDArray[np.float32]:
    """Return the weight of each word, log(images / images with the word) (Sivic and Zisserman 2003, section 4).

    Parameters
    ----------
    document_counts : (K,) integers
        Number of images in which each word occurs.
    n_images : int

    Returns
    -------
    (K,) float32
        0 for a word that occurs in every image. A word that never occurs has the weight of one in a single image.
    """
    counts = np.maximum(document_counts, 1)
    weights: NDArray[np.float32] = np.log(np.maximum(n_images, 1) / counts).astype(np.float32)
    return weights


def _divide(values: NDArray[np.float32], total: NDArray[np.float32]) -> NDArray[np.float32]:
    quotient: NDArray[np.float32] = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    return quotient

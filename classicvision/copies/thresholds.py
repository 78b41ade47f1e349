"""Thresholds of a search that keep a given rate of false matches."""

from __future__ import annotations

from dataclasses import replace

from classicvision.copies.keypoint_calibration import matcher_fingerprint, read_calibration
from classicvision.copies.settings import SearchSettings
from classicvision.errors import SettingsError
from classicvision.files import PathLike
from classicvision.index.index import Index
from classicvision.index.settings import IndexSettings
from classicvision.matching.calibration import DEFAULT_CALIBRATION
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings

__all__ = ["at_false_match_rate"]


def at_false_match_rate(
    settings: SearchSettings,
    false_match_rate: float,
    calibration: PathLike | None = None,
    *,
    against: PathLike | None = None,
) -> SearchSettings:
    """Return settings whose threshold calls at most a given share of unrelated pairs copies.

    The threshold is only ever raised: photographs, which rates are mostly measured on, need a lower one than text and
    bricks, which the default is for. To use a lower threshold, set it.

    Parameters
    ----------
    settings : SearchSettings
    false_match_rate : float
        Above 0 and below 1, e.g. 1e-6. Smaller values give fewer false findings and miss more copies.
    calibration : path, optional
        Measured by `calibrate` on images that are known to be unrelated; by default the calibration of this project on
        photographs (`DEFAULT_CALIBRATION`), which holds for the default settings only.
    against : path, optional
        The index or folder that is searched; the calibration must be of an index's extractor.

    Raises
    ------
    SettingsError
        For an invalid rate, and for a calibration that was measured with other settings.
    """
    is_index = against is not None and Index.is_index(against)
    extractor = (Index.open(against).settings if is_index and against else IndexSettings()).extractor
    known = DEFAULT_CALIBRATION
    if calibration is not None:
        known = read_calibration(calibration, extractor=extractor, matching=settings.match)
    elif matcher_fingerprint(extractor, settings.match) != matcher_fingerprint(MATCHING_SIFT, MatchSettings()):
        raise SettingsError(
            "rates are known for the default settings of keypoints and matching only; measure yours with "
            "`classicvision calibrate`, and pass its file"
        )
    threshold = max(settings.match.threshold, known.threshold_for(false_match_rate))
    return replace(settings, match=replace(settings.match, threshold=threshold))

"""Copies among many pictures: suspects against a library, and pictures against each other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding, Findings, Undecided
from classicvision.copies.queries import Answer, Suspect, best_of_each_pair, search_suspects
from classicvision.copies.settings import SearchSettings
from classicvision.copies.whole_images import Lead
from classicvision.errors import SettingsError
from classicvision.extraction import Failure, extract
from classicvision.files import PathLike
from classicvision.folders import images_in, listed
from classicvision.images import LIBRARIES
from classicvision.index.catalogue import absolute
from classicvision.index.index import Index
from classicvision.index.settings import IndexSettings
from classicvision.matching.calibration import DEFAULT_CALIBRATION
from classicvision.matching.likeness import BackboneFallback
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings
from classicvision.progress import EXTRACTING, Progress, stage
from classicvision.workers import count_workers
from classicvision.workflows.calibrate import matcher_fingerprint, read_calibration
from classicvision.workflows.library import Library, open_library
from classicvision.workflows.wholes import SameWholes, same_wholes

__all__ = ["at_false_match_rate", "find_copies", "find_copies_among"]

SEARCHING = "search"


def find_copies(
    suspects: PathLike | Sequence[PathLike],
    against: PathLike,
    *,
    settings: SearchSettings | None = None,
    fallback: BackboneFallback | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Findings:
    """Find out which pictures copy pictures of a library, whole or in part.

    Parameters
    ----------
    suspects : path or paths
        Files, and folders searched through.
    against : path
        An index, or a folder of pictures. A folder is indexed first; the index is kept in the cache and only brought up
        to date the next time.
    settings : SearchSettings, optional
    fallback : BackboneFallback, optional
        A network that compares what has too few keypoints and what signatures leave open. It sees the files themselves,
        those of an index where they lie: one that is gone or has changed is a failure then.
    cache, n_jobs, progress
        As for each verb.

    Returns
    -------
    Findings
        A suspect is not a copy of itself, but of an equal file elsewhere. In findings a is the suspect.

    Raises
    ------
    ImageReadError
        If a path does not exist. Files that cannot be read are failures and no error.
    NotEnoughDataError
        If there is no picture to search for, or none to compare with.
    ArchiveError
        If the index is damaged.
    """
    how = _How(settings or SearchSettings(), fallback, cache or FeatureCache.temporary(), n_jobs, progress)
    with open_library(against, keep=cache is not None, **how.run) as library:
        return _search(suspects, library, how, named=listed(against))


def find_copies_among(
    pictures: PathLike | Sequence[PathLike],
    *,
    settings: SearchSettings | None = None,
    fallback: BackboneFallback | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Findings:
    """Find out which of some pictures copy each other, whole or in part.

    Parameters and errors are as for `find_copies`.
    Two pictures are one finding, whichever was searched for. Which of them is the original is not known.
    """
    how = _How(settings or SearchSettings(), fallback, cache or FeatureCache.temporary(), n_jobs, progress)
    with open_library(pictures, keep=cache is not None, **how.run) as library:
        return _search(pictures, library, how, named="")


def at_false_match_rate(
    settings: SearchSettings,
    false_match_rate: float,
    calibration: PathLike | None = None,
    *,
    against: PathLike | None = None,
) -> SearchSettings:
    """Return settings whose threshold calls a share of unrelated pairs copies, and no more.

    The threshold is only ever raised: photographs, which rates are mostly measured on, ask for less than text and
    bricks, which the default is for. Who wants a lower one sets it.

    Parameters
    ----------
    settings : SearchSettings
    false_match_rate : float
        Above 0 and below 1, e.g. 1e-6.
    calibration : path, optional
        Measured by `calibrate` on pictures that are known to be unrelated; else the photographs that this project
        measured (`DEFAULT_CALIBRATION`), which holds for the default settings only.
    against : path, optional
        The index or folder that is searched; an index says which extractor the calibration must be of.

    Raises
    ------
    SettingsError
        For a rate that is none, and a calibration that was measured with other settings.
    """
    is_index = against is not None and Index.is_index(against)
    extractor = (Index.open(against).settings if is_index and against else IndexSettings()).extractor
    known = DEFAULT_CALIBRATION
    if calibration is not None:
        known = read_calibration(calibration, extractor=extractor, matching=settings.match)
    elif matcher_fingerprint(extractor, settings.match) != matcher_fingerprint(MATCHING_SIFT, MatchSettings()):
        raise SettingsError(
            "rates are known for the default settings of keypoints and matching only; "
            "measure these with `classicvision calibrate`, and give its file"
        )
    threshold = max(settings.match.threshold, known.threshold_for(false_match_rate))
    return replace(settings, match=replace(settings.match, threshold=threshold))


@dataclass(frozen=True)
class _How:
    settings: SearchSettings
    fallback: BackboneFallback | None
    cache: FeatureCache
    n_jobs: int
    progress: Progress | None

    @property
    def run(self) -> dict[str, Any]:
        """What every step takes."""
        return {"cache": self.cache, "n_jobs": self.n_jobs, "progress": self.progress}


def _search(suspects: PathLike | Sequence[PathLike], library: Library, how: _How, *, named: str) -> Findings:
    """Search a library, or the suspects themselves if it has no name."""
    start = time.perf_counter()
    files, among = images_in(suspects), not named
    found = extract(
        files,
        library.index.settings.extractor,
        cache=how.cache,
        n_jobs=how.n_jobs,
        progress=stage(how.progress, EXTRACTING),
    )
    pictures = [
        Suspect(files[row], content, key)
        for row, content, key in zip(found.rows, found.contents, found.items.keys, strict=True)
    ]
    answers = search_suspects(
        library.index,
        pictures,
        how.cache,
        how.settings,
        among=among,
        n_workers=count_workers(how.n_jobs, len(pictures)),
        progress=stage(how.progress, SEARCHING),
    )
    findings = [finding for answer in answers for finding in answer.findings]
    wholes = _same_wholes(pictures, answers, library.index, how, among=among)
    findings = [library.named(finding) for finding in (*findings, *wholes.findings)]
    leads = {path: replace(lead, path=library.name(lead.path)) for path, lead in wholes.leads.items()}
    unseen = [replace(failure, path=library.name(failure.path)) for failure in wholes.failures]
    return Findings.of(
        best_of_each_pair(findings) if among else findings,
        undecided=_undecided(pictures, answers, findings, leads, how.settings.match.min_keypoints),
        failures=_once((*library.failures, *found.failures, *unseen)),
        n_suspects=len(pictures),
        n_library=len(library.index),
        suspects=listed(suspects),
        library=named,
        settings={
            "search": config.to_dict(how.settings),
            "index": config.to_dict(library.index.settings),
            **({"fallback": how.fallback.to_dict()} if how.fallback else {}),
            "libraries": LIBRARIES,
        },
        seconds=time.perf_counter() - start,
    )


def _same_wholes(
    suspects: Sequence[Suspect], answers: Sequence[Answer], index: Index, how: _How, *, among: bool
) -> SameWholes:
    return same_wholes(
        [(s.path, s.content, found.n_keypoints, found.image_size) for s, found in zip(suspects, answers, strict=True)],
        [(image.path, image.content, image.n_keypoints, image.image_size) for image in index],
        among=among,
        min_keypoints=how.settings.match.min_keypoints,
        fallback=how.fallback,
        **how.run,
    )


def _undecided(
    suspects: Iterable[Suspect],
    answers: Iterable[Answer],
    findings: Iterable[Finding],
    leads: Mapping[Path, Lead],
    least: int,
) -> tuple[Undecided, ...]:
    """Return the suspects that have too few keypoints and are in no finding, with what a network says of them."""
    found = {path for finding in findings for path in (finding.path_a, finding.path_b)}
    remedy = f"at least {least} are needed to find parts, and as a whole it is like no other"

    def reason(path: Path, n_keypoints: int) -> str:
        few = f"{n_keypoints} keypoint{'' if n_keypoints == 1 else 's'}; {remedy}"
        lead = leads.get(path)
        return f"{few}; by the network it is most like {lead.path}, cosine {lead.cosine:.4f}" if lead else few

    return tuple(
        Undecided(suspect.path, reason(suspect.path, answer.n_keypoints))
        for suspect, answer in zip(suspects, answers, strict=True)
        if answer.n_keypoints < least and suspect.path not in found
    )


def _once(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Return each file that failed once, sorted, under the name that was given last."""
    by_path = {absolute(failure.path): failure for failure in failures}
    return tuple(by_path[path] for path in sorted(by_path, key=lambda path: path.parts))

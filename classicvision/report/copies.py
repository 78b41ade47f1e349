"""The findings of a search for copies as JSON data, and as rows of a CSV file.

The data follow `copies.schema.json`. File names are untrusted: text that a spreadsheet would take for a formula is
escaped, and so are names that are not UTF-8.
"""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from classicvision.copies.findings import MAX_WHOLE, Finding, Findings
from classicvision.files import write_atomically
from classicvision.matching.result import Region
from classicvision.matching.transform_text import describe_region
from classicvision.report.pixels import pixels_to_dict
from classicvision.report.plain import plain, text

__all__ = ["copies_to_csv", "copies_to_dict", "in_words", "title", "write_copies_csv"]

FORMAT = "classicvision-copies"
VERSION = 1
"""Raised when a program that reads the old data would misread the new; a new key alone does not raise it."""

COLUMNS = (
    "finding",
    "group",
    "path_a",
    "path_b",
    "method",
    "score",
    "labels",
    "words",
    "n_regions",
    "n_inliers",
    "share_a",
    "share_b",
    "cosine",
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def copies_to_dict(findings: Findings) -> dict[str, Any]:
    """Return findings as plain values for JSON; undefined values are None.

    Parameters
    ----------
    findings : Findings

    Returns
    -------
    dict
        As `copies.schema.json` describes it. Groups refer to findings by their position in the list, from 0.
    """
    group_of = _group_of(findings)
    return {
        "format": FORMAT,
        "version": VERSION,
        "scope": findings.scope,
        "queries": text(findings.queries),
        "references": text(findings.references),
        "n_queries": findings.n_queries,
        "n_references": findings.n_references,
        "n_small": findings.n_small,
        "seconds": round(findings.seconds, 3),
        "findings": [_finding(finding, group_of[row]) for row, finding in enumerate(findings.findings)],
        "related": [_related(finding) for finding in findings.related],
        "groups": [
            {"paths": [text(path) for path in group.paths], "findings": list(group.rows)} for group in findings.groups
        ],
        "undecided": [{"path": text(u.path), "reason": text(u.reason)} for u in findings.undecided],
        "incomplete": [{"path": text(i.path), "reason": text(i.reason)} for i in findings.incomplete],
        "failures": [{"path": text(f.path), "reason": text(f.reason)} for f in findings.failures],
        "settings": plain(findings.settings),
    }


def copies_to_csv(findings: Findings) -> str:
    """Return one row per finding below a header row, as RFC 4180 defines it; findings and groups count from 1.

    A text that begins like a formula is prefixed with an apostrophe, since spreadsheets run formulas.
    """
    group_of = _group_of(findings)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row, finding in enumerate(findings.findings):
        data = _finding(finding, group_of[row])
        data |= {
            "finding": row + 1,
            "group": group_of[row] + 1,
            "labels": " ".join(label.replace(" ", "-") for label in data["labels"]),
            "n_regions": len(data["regions"]),
        }
        writer.writerow([_cell(data[column]) for column in COLUMNS])
    return out.getvalue()


def write_copies_csv(path: str | os.PathLike[str], findings: Findings) -> None:
    """Write the rows of `copies_to_csv` to a file, completely or not at all; an existing file is replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_atomically(Path(path), [copies_to_csv(findings).encode()])


def title(finding: Finding) -> str:
    """Return how the two images are related, by their names: ``crop.jpg is part of whole.jpg``."""
    a, b = _names(finding.path_a, finding.path_b)
    if finding.is_within:
        return f"{a} contains duplicated regions"
    if finding.result.is_equal:
        return f"{a} and {b} are identical {'files' if finding.result.method == 'bytes' else 'images'}"
    is_all_of_a, is_all_of_b = finding.share_a >= MAX_WHOLE, finding.share_b >= MAX_WHOLE
    if is_all_of_a and is_all_of_b:
        return f"{a} is {_version(finding)} {b}"
    if is_all_of_a or is_all_of_b:
        return f"{a} is part of {b}" if is_all_of_a else f"{a} contains {b}"
    n_parts = len(finding.result.regions)
    return f"{a} and {b} share {'a part' if n_parts == 1 else f'{n_parts} parts'}"


def _version(finding: Finding) -> str:
    """Return what one of two images that show the same as a whole is of the other."""
    if "content differs" in finding.labels:
        return "an edited version of"
    return "a recoloured version of" if "recoloured" in finding.labels else "the same image as"


def _names(a: Path, b: Path) -> tuple[str, str]:
    """Return the shortest ends of two paths that differ; of one path twice, its name."""
    for n in range(1, max(len(a.parts), len(b.parts))):
        ends = [str(Path(*path.parts[-n:])) for path in (a, b)]
        if ends[0] != ends[1] or a == b:
            return ends[0], ends[1]
    return str(a), str(b)


def in_words(finding: Finding) -> str:
    """Return the transform of each region in words, or what else the finding is based on."""
    result = finding.result
    if result.is_equal:
        return "the same file, byte for byte" if result.method == "bytes" else "the same pixels in another file"
    if not result.regions:
        return result.reason
    return "; ".join(_words(region, finding) for region in result.regions)


def _words(region: Region, finding: Finding) -> str:
    if not finding.is_within:
        return describe_region(region, *finding.result.image_sizes)
    share = max(region.share_a, region.share_b)
    part = f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"
    words = describe_region(replace(region, share_a=1.0, share_b=1.0), *finding.result.image_sizes)
    return f"{part} of the image is duplicated: {words}"


def _finding(finding: Finding, group: int) -> dict[str, Any]:
    result = finding.result
    return {
        "path_a": text(finding.path_a),
        "path_b": text(finding.path_b),
        "method": result.method,
        "labels": list(finding.labels),
        "words": text(in_words(finding)),
        "score": plain(float(result.score)) if not result.is_equal else None,
        "group": group,
        "share_a": round(finding.share_a, 4),
        "share_b": round(finding.share_b, 4),
        "image_size_a": list(result.image_sizes[0]),
        "image_size_b": list(result.image_sizes[1]),
        "n_keypoints_a": result.n_keypoints[0],
        "n_keypoints_b": result.n_keypoints[1],
        "n_matches": result.n_matches,
        "n_inliers": sum(len(region.pairs) for region in result.regions),
        "cosine": None if result.cosine is None else round(result.cosine, 4),
        "reason": text(result.reason),
        "regions": [_region(region, finding) for region in result.regions],
    }


def _region(region: Region, finding: Finding) -> dict[str, Any]:
    return {
        "words": text(_words(region, finding)),
        "kind": region.kind,
        "is_mirrored": region.is_mirrored,
        "is_inverted": region.is_inverted,
        "b_from_a": plain(region.b_from_a),
        "polygon_a": region.polygon_a.round(2).tolist(),
        "polygon_b": region.polygon_b.round(2).tolist(),
        "share_a": round(float(region.share_a), 4),
        "share_b": round(float(region.share_b), 4),
        "significance": plain(float(region.significance)),
        "n_inliers": len(region.pairs),
        "pixels": pixels_to_dict(region.pixels),
    }


def _related(finding: Finding) -> dict[str, Any]:
    return {
        "path_a": text(finding.path_a),
        "path_b": text(finding.path_b),
        "labels": list(finding.labels),
        "score": plain(float(finding.result.score)),
        "reason": text(finding.result.reason),
        "regions": [_region(region, finding) for region in finding.result.regions],
    }


def _group_of(findings: Findings) -> dict[int, int]:
    """Return the group of each finding, both by their positions."""
    return {row: number for number, group in enumerate(findings.groups) for row in group.rows}


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value

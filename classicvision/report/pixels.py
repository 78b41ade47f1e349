"""The evidence of pixels as plain values."""

from __future__ import annotations

from typing import Any

from classicvision.matching.evidence import PixelEvidence

__all__ = ["pixels_to_dict"]


def pixels_to_dict(evidence: PixelEvidence | None) -> dict[str, Any] | None:
    """Return the evidence of pixels of a region as plain values; None if its pixels were not compared."""
    if evidence is None:
        return None
    return {
        "relation": evidence.relation,
        "agreeing": round(evidence.agreeing, 4),
        "displacement": round(evidence.displacement, 3),
        "differences": [
            {
                "share_a": round(difference.share_a, 4),
                "polygon_a": difference.polygon_a.round(2).tolist(),
                "polygon_b": difference.polygon_b.round(2).tolist(),
            }
            for difference in evidence.differences
        ],
        "recoloured": [list(colour) for colour in evidence.recoloured] if evidence.recoloured else None,
    }

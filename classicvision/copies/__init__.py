"""The search for copies: queries, candidates, matching, findings; and the calibration of its thresholds."""

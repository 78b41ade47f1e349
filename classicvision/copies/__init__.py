"""The search for copies: candidates, comparison, findings."""

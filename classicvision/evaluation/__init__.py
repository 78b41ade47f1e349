"""Measures of how good a classifier is, and how sure one can be of them."""

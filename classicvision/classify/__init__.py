"""Recipes, the linear head, and the classifier that is saved."""

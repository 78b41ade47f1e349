"""How Sphinx makes the site: pages from Markdown, the API from docstrings; nothing is fetched."""

from classicvision._version import __version__

project = "classicvision"
author = "The classicvision developers"
project_copyright = "The classicvision developers, BSD-3-Clause"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
exclude_patterns = ["recipes-table.md"]  # stands inside recipes.md

html_theme = "furo"
html_title = f"classicvision {release}"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say the types
autodoc_default_options = {"members": True, "undoc-members": False}
numpydoc_show_class_members = False  # a class lists its methods by itself
numpydoc_xref_param_type = False

"""Configuration of Sphinx: pages from Markdown, API from docstrings, nothing loaded from the network."""

from classicvision._version import __version__

project = "classicvision"
author = "The classicvision developers"
project_copyright = "The classicvision developers, BSD-3-Clause"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.extlinks", "numpydoc"]
extlinks = {"DOI": ("https://doi.org/%s", "doi:%s")}  # :DOI:`10.1023/B:VISI.0000029664.99615.94` in docstrings
exclude_patterns = ["recipes-table.md"]  # included by recipes.md

highlight_language = "none"  # of blocks that name no language

html_theme = "furo"
html_title = f"classicvision {release}"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc sections state the types
autodoc_default_options = {"members": True, "undoc-members": False}
numpydoc_show_class_members = False  # the class template lists the methods
numpydoc_xref_param_type = False

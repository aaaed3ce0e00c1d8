"""Sphinx's settings: `sphinx-build -W -b html docs OUT` builds the documentation."""

project = "jaxcnn"
copyright = "jaxcnn's authors"
html_title = "jaxcnn"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# docstrings write code in single backquotes, as Markdown does
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

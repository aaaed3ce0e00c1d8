"""Sphinx's settings: `sphinx-build -W -b html docs OUT` builds the documentation."""

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

project = "jaxcnn"
copyright = "jaxcnn's authors"
html_title = "jaxcnn"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["jaxcnn.css"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# docstrings write code in single backquotes, as Markdown does
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def setup(app: Sphinx) -> None:
    """Connect the handlers of this project."""
    app.connect("autodoc-process-signature", show_constructor)


def show_constructor(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str | None, Any]:
    """Show the arguments of a class's `__init__`: Flax's metaclass hides them from autodoc."""
    if what == "class" and signature == "(*args: Any, **kwargs: Any)":
        arguments = inspect.signature(obj.__init__)
        parameters = list(arguments.parameters.values())[1:]
        shown = arguments.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
        return stringify_signature(shown, unqualified_typehints=True), returns
    return signature, returns

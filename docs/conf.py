"""How the documents are built: `make docs`, which calls sphinx-build with warnings as errors.

Sphinx reads MyST Markdown. The build needs no network, and the pages load nothing from elsewhere.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from generated import fill  # noqa: E402

from compositor import __version__  # noqa: E402

project = "scanout"
author = "the authors of scanout"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
default_role = "code"
smartquotes = False  # "virtual" is a value

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

# Types stand in the signatures; the texts say what they mean.
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "scanout"
html_copy_source = False
html_show_sphinx = False
pygments_style = "default"
pygments_dark_style = "monokai"

_CODE = re.compile(r"`+[^`]*`+")
_MARKUP = re.compile(r"[*|]|(?<=\w)_(?=\W|$)")


def _as_rst(line: str) -> str:
    """A docstring's line: its `code` stays, and what reStructuredText would take for markup is text."""
    parts, end = [], 0
    for code in _CODE.finditer(line):
        parts += [_MARKUP.sub(r"\\\g<0>", line[end : code.start()]), f"``{code[0].strip('`')}``"]
        end = code.end()
    return "".join([*parts, _MARKUP.sub(r"\\\g<0>", line[end:])])


def _docstring(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    lines[:] = [_as_rst(line) for line in lines]


def _source(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = fill(source[0])


def setup(app: Sphinx) -> None:
    """Fill in what is generated before a page is read; take docstrings as they are, before napoleon."""
    app.connect("source-read", _source)
    app.connect("autodoc-process-docstring", _docstring, priority=100)

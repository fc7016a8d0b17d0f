"""Sphinx configuration: pages in MyST, API pages from the docstrings, notebooks as they were committed, a gallery drawn on the way."""

import os
import shutil
import sys
from pathlib import Path

import scgnn_tools

HERE = Path(__file__).parent

# Sphinx reads only below docs/: the notebooks and the project's own pages are copied in, never kept twice
shutil.copytree(HERE.parent / "tutorials", HERE / "tutorials", dirs_exist_ok=True)

sys.path.insert(0, str(HERE))
from _gallery import build as build_gallery  # noqa: E402

if not os.environ.get("SGT_DOCS_NO_GALLERY"):  # pages that link to it then warn
    build_gallery(HERE / "gallery")

project = "scgnn_tools"
author = "The scgnn_tools developers"
copyright = "2026, the scgnn_tools developers"  # noqa: A001
release = version = scgnn_tools.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
if os.environ.get("SGT_DOCS_ONLINE"):  # links to other projects need their inventories, which only a network has
    extensions.append("sphinx.ext.intersphinx")
intersphinx_mapping = {
    "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
    "numpy": ("https://numpy.org/doc/stable/", None),
    "pandas": ("https://pandas.pydata.org/docs/", None),
    "python": ("https://docs.python.org/3", None),
    "scanpy": ("https://scanpy.readthedocs.io/en/stable/", None),
    "scipy": ("https://docs.scipy.org/doc/scipy/", None),
    "torch": ("https://pytorch.org/docs/stable/", None),
}

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80  # a longer one has a line for each argument
napoleon_google_docstring = False
napoleon_use_rtype = False

nb_execution_mode = "off"  # the committed outputs are what was seen; a test runs the notebooks again
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
highlight_language = "none"  # blocks without a language are tables and output
suppress_warnings = ["mystnb.unknown_mime_type"]
exclude_patterns = ["_build", "_templates", "jupyter_execute"]
templates_path = ["_templates"]

html_theme = "sphinx_book_theme"
html_title = "scgnn_tools"
html_static_path = ["_static"]
html_css_files = ["sgt.css"]
html_theme_options = {
    "repository_url": "https://github.com/scgnn-tools/scgnn_tools",
    "use_repository_button": True,
    "show_navbar_depth": 1,
    "navbar_persistent": [],
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    # every release keeps its pages; the list is that of the newest ones
    "switcher": {
        "json_url": "https://scgnn-tools.readthedocs.io/en/latest/_static/switcher.json",
        "version_match": os.environ.get("READTHEDOCS_VERSION", "latest"),
    },
    "check_switcher": False,  # else a build asks the network
}
html_sidebars = {
    "**": [
        "navbar-logo.html",
        "version-switcher.html",
        "icon-links.html",
        "search-button-field.html",
        "sbt-sidebar-nav.html",
    ]
}

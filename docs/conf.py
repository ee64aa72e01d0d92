"""Configuration of the documentation site: see `scripts/docs`."""

project = "SNU infrastructure"
copyright = "SNU infrastructure contributors, MIT"  # noqa: A001 - Sphinx's name

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["README.md"]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]  # excerpts of JSON and YAML with an ellipsis

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
html_permalinks = True

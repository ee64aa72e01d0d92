"""HTML layout and response headers of the local Scaleway's own pages."""

from __future__ import annotations

import base64
import hashlib
from html import escape

HTML = b"text/html; charset=utf-8"
TEXT = b"text/plain; charset=utf-8"

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8dbe2, #3a3d46); --soft: light-dark(#5b6070, #a3a8b5);
  --link: light-dark(#4f0599, #c7a5f7); --box: light-dark(#f5f6f8, #24262c); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem;
  background: light-dark(#fff, #17181c); color: light-dark(#1c1e26, #e6e8ee); }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
a { color: var(--link); }
code { font: .9em ui-monospace, monospace; background: var(--box); padding: .1em .3em; border-radius: 4px; }
dt { font-weight: 600; margin-top: .75rem; }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 500; }
p, td small { color: var(--soft); }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

PAGE_HEADERS = (
    (b"x-local-scaleway", b"page"),  # distinguishes these pages from containers' responses
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def document(title: str, body: str) -> str:
    """A complete page. ``body`` is HTML in which the caller has already escaped all values."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )

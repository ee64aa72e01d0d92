"""Compression of objects that the Pulumi CLI writes to a backend.

With ``PULUMI_DIY_BACKEND_GZIP`` or ``PULUMI_DIY_BACKEND_ZSTD``, the CLI (3.259.0, ``pkg/backend/diy/state.go``) appends
``.gz`` or ``.zst`` to object names. When reading, it detects the format from the first bytes, regardless of the name.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Mapping
from types import ModuleType

GZIP, ZSTD = ".gz", ".zst"
SUFFIXES = ("", GZIP, ZSTD)
"""Suffixes of object names; empty for uncompressed objects."""
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

_VARIABLES = {GZIP: "PULUMI_DIY_BACKEND_GZIP", ZSTD: "PULUMI_DIY_BACKEND_ZSTD"}
_FORMER_VARIABLES = ("PULUMI_SELF_MANAGED_STATE_GZIP", "PULUMI_SELF_MANAGED_STATE_ZSTD")


def suffix_of(key: str) -> str:
    """Return the suffix for an object's compression; empty if the object is not compressed."""
    return next((suffix for suffix in (GZIP, ZSTD) if key.endswith(suffix)), "")


def compress(content: bytes, suffix: str) -> bytes:
    """Compress content in the suffix's format; equal content produces equal bytes."""
    if suffix == GZIP:
        return gzip.compress(content, mtime=0)
    if suffix == ZSTD:
        return bytes(_zstd().compress(content))
    return content


def decompress(content: bytes) -> bytes:
    """Detect the format of content and decompress it. Raises ValueError if it is damaged."""
    try:
        if content.startswith(_GZIP_MAGIC):
            return gzip.decompress(content)
        if content.startswith(_ZSTD_MAGIC):
            return _zstd_decompressed(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(str(error)) from None
    return content


def _zstd_decompressed(content: bytes) -> bytes:
    zstd = _zstd()
    try:
        return bytes(zstd.decompress(content))
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from None


def _zstd() -> ModuleType:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def cli_environment(environ: Mapping[str, str], suffix: str) -> dict[str, str]:
    """Return an environment that makes the CLI use this compression, overriding the user's variables."""
    kept = {name: value for name, value in environ.items() if name not in (*_VARIABLES.values(), *_FORMER_VARIABLES)}
    return kept | ({_VARIABLES[suffix]: "true"} if suffix else {})

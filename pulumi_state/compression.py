"""Compression of the objects that the Pulumi CLI writes to a backend.

With ``PULUMI_DIY_BACKEND_GZIP`` or ``PULUMI_DIY_BACKEND_ZSTD`` the CLI (3.259.0, ``pkg/backend/diy/state.go``) appends
``.gz`` or ``.zst`` to an object's name. When reading, it detects the format by the first bytes, whatever the name.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Mapping
from types import ModuleType

GZIP, ZSTD = ".gz", ".zst"
SUFFIXES = ("", GZIP, ZSTD)
"""Suffixes of objects' names; empty for objects that are not compressed."""
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

_VARIABLES = {GZIP: "PULUMI_DIY_BACKEND_GZIP", ZSTD: "PULUMI_DIY_BACKEND_ZSTD"}
_FORMER_VARIABLES = ("PULUMI_SELF_MANAGED_STATE_GZIP", "PULUMI_SELF_MANAGED_STATE_ZSTD")


def suffix_of(key: str) -> str:
    """Return the suffix that names an object's compression, empty for none."""
    return next((suffix for suffix in (GZIP, ZSTD) if key.endswith(suffix)), "")


def compress(content: bytes, suffix: str) -> bytes:
    """Compress content as the suffix says; equal content gives equal bytes."""
    if suffix == GZIP:
        return gzip.compress(content, mtime=0)
    if suffix == ZSTD:
        return bytes(_zstd().compress(content))
    return content


def decompress(content: bytes) -> bytes:
    """Decompress content, detecting its format. Raises ValueError if it is damaged."""
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
    """Return the environment in which the CLI writes this compression, whatever the user's variables say."""
    kept = {name: value for name, value in environ.items() if name not in (*_VARIABLES.values(), *_FORMER_VARIABLES)}
    return kept | ({_VARIABLES[suffix]: "true"} if suffix else {})

"""Pulumi's generated gRPC and protobuf modules, loaded without the SDK, which takes half a second to import.

The generated modules do not depend on anything else in the SDK. They are loaded under a separate package name.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import (
        alias_pb2,
        callback_pb2,
        callback_pb2_grpc,
        engine_pb2,
        engine_pb2_grpc,
        language_pb2,
        provider_pb2,
        resource_pb2,
        resource_pb2_grpc,
    )
else:
    _PACKAGE = f"{__name__}_generated"
    _package = sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
    _package.__path__ = [
        str(Path(folder) / "runtime" / "proto") for folder in find_spec("pulumi").submodule_search_locations
    ]
    alias_pb2 = import_module(f"{_PACKAGE}.alias_pb2")
    callback_pb2 = import_module(f"{_PACKAGE}.callback_pb2")
    callback_pb2_grpc = import_module(f"{_PACKAGE}.callback_pb2_grpc")
    engine_pb2 = import_module(f"{_PACKAGE}.engine_pb2")
    engine_pb2_grpc = import_module(f"{_PACKAGE}.engine_pb2_grpc")
    language_pb2 = import_module(f"{_PACKAGE}.language_pb2")
    provider_pb2 = import_module(f"{_PACKAGE}.provider_pb2")
    resource_pb2 = import_module(f"{_PACKAGE}.resource_pb2")
    resource_pb2_grpc = import_module(f"{_PACKAGE}.resource_pb2_grpc")

__all__ = [
    "alias_pb2",
    "callback_pb2",
    "callback_pb2_grpc",
    "engine_pb2",
    "engine_pb2_grpc",
    "language_pb2",
    "provider_pb2",
    "resource_pb2",
    "resource_pb2_grpc",
]

"""Imports a provider's package in a fraction of the usual time by deferring its deprecated root modules.

When a resource moves to a module (``containers.Namespace``), Pulumi's generator also keeps it in the package's root
under its old name (``ContainerNamespace``), with all input and output types. Creating these classes takes longer than
all of a program's other imports, so they are imported only when they are first used.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_NEEDED = ("_utilities", "provider")
"""Root modules that are not deprecated."""


def import_provider(name: str) -> ModuleType:
    """Import the package. Raises ImportError."""
    if name in sys.modules:
        return sys.modules[name]
    later = _Later(name)
    sys.meta_path.insert(0, later)
    try:
        package = importlib.import_module(name)
    finally:
        sys.meta_path.remove(later)
        for module in later.modules:
            sys.modules.pop(f"{name}.{module}", None)
    for module in later.modules:
        vars(package).pop(module, None)
    if later.modules:
        package.__getattr__ = _Deferred(package, later.modules)  # type: ignore[method-assign]  # PEP 562
    return package


class _Later(MetaPathFinder, Loader):
    """Substitutes empty modules for the deprecated root modules and records their names in order."""

    def __init__(self, package: str) -> None:
        self._package = package
        self.modules: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if parent != self._package or name in _NEEDED:
            return None
        found = PathFinder.find_spec(fullname, path)
        if found is None or found.submodule_search_locations is not None:
            return None
        self.modules.append(name)
        return ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""


class _Deferred:
    """The package's ``__getattr__``: imports the deferred modules to look up a name."""

    def __init__(self, package: ModuleType, modules: Sequence[str]) -> None:
        self._package, self._modules = package, modules

    def __call__(self, name: str) -> Any:
        if name in self._modules:
            return self._import(name)
        if name == "__all__":  # a star import imports them all
            for module in self._modules:
                vars(self._package).update(_exports(self._import(module)))
        elif not name.startswith("__"):
            for module in self._modules:
                exports = _exports(self._import(module))
                if name in exports:
                    vars(self._package).update(exports)
                    return exports[name]
        raise AttributeError(f"module {self._package.__name__!r} has no attribute {name!r}")

    def _import(self, module: str) -> ModuleType:
        return importlib.import_module(f"{self._package.__name__}.{module}")


def _exports(module: ModuleType) -> dict[str, Any]:
    return {name: getattr(module, name) for name in getattr(module, "__all__", ())}

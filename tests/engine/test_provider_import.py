"""A provider's package without the old names in its root, until one of them is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ops.engines.program.provider_import import import_provider

FILES = {
    "__init__.py": (
        "from . import _utilities\n"
        "from .old_thing import *\n"
        "from .provider import *\n"
        "from ._inputs import *\n"
        "from . import outputs\n"
        "from . import things\n"
    ),
    "_utilities.py": "",
    "provider.py": "__all__ = ['Provider']\nclass Provider: ...\n",
    "old_thing.py": "from . import outputs\n__all__ = ['OldThing']\nclass OldThing: ...\n",
    "_inputs.py": "__all__ = ['OldThingArgs']\nclass OldThingArgs: ...\n",
    "outputs.py": "__all__ = ['OldThingPart']\nclass OldThingPart: ...\n",
    "things/__init__.py": "from .thing import *\n",
    "things/thing.py": "__all__ = ['Thing']\nclass Thing: ...\n",
}
NAME = "made_up_provider"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    for name, text in FILES.items():
        path = tmp_path / NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        yield import_provider(NAME)
    finally:
        for module in [module for module in sys.modules if module.split(".")[0] == NAME]:
            del sys.modules[module]


def loaded(module: str) -> bool:
    return f"{NAME}.{module}" in sys.modules


def test_modules_and_the_provider_are_there(package: ModuleType) -> None:
    assert package.things.Thing.__module__ == f"{NAME}.things.thing"
    assert package.Provider.__module__ == f"{NAME}.provider"
    assert import_provider(NAME) is package is importlib.import_module(NAME)
    assert not loaded("old_thing")


@pytest.mark.parametrize("name", ["OldThing", "OldThingArgs", "outputs", "old_thing"])
def test_an_old_name_is_there_when_it_is_used(package: ModuleType, name: str) -> None:
    assert not loaded("old_thing")
    assert getattr(package, name).__name__.rpartition(".")[2] == name
    assert package.outputs.OldThingPart


def test_a_module_of_the_root_can_be_imported(package: ModuleType) -> None:
    assert importlib.import_module(f"{NAME}.old_thing").OldThing is package.OldThing


def test_a_star_takes_all_names(package: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(f"from {NAME} import *", names)  # noqa: S102 - what is tested
    assert {"OldThing", "OldThingArgs", "Provider", "outputs", "things"} <= set(names)


def test_other_names_are_missing_as_ever(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{NAME}' has no attribute 'Nothing'"):
        _ = package.Nothing
    assert not hasattr(package, "__wrapped__")


def test_what_is_no_package_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_provider("no_provider_of_this_name")

"""The local Scaleway as a package: one layout for every product, no name of the project."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from localcloud.api.products import ROUTES

ROOT = Path(__file__).resolve().parents[2] / "localcloud"
PRODUCTS = sorted({route.permission.product for route in ROUTES})


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_has_routes_and_schemas(product: str) -> None:
    folder = ROOT / "api" / product
    assert {"__init__.py", "routes.py", "schemas.py"} <= {path.name for path in folder.iterdir()}
    assert {route.handler.__module__ for route in ROUTES if route.permission.product == product} == {
        f"localcloud.api.{product}.routes"
    }


def test_the_layers_of_every_product_are_checked() -> None:
    contracts = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = [each["containers"] for each in contracts if each.get("layers") == ["routes", "schemas"]]
    assert found == [f"localcloud.api.{product}" for product in PRODUCTS]


def test_it_does_not_know_the_project() -> None:
    known = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted(ROOT.rglob("*"))
        if path.suffix != ".pyc" and path.is_file()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "snu" in line.lower() or "scripts/" in line
    ]
    assert known == []
    assert [path for path in ROOT.rglob("*snu*") if path.suffix != ".pyc"] == []

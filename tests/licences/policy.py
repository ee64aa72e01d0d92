"""The licences that production dependencies may have, as `[tool.licences]` of pyproject.toml lists them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from license_expression import AND, OR, ExpressionError, LicenseExpression, get_spdx_licensing
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tests.licences.packages import Package

_SPDX = get_spdx_licensing()
_TABLE = "[tool.licences] of pyproject.toml"


class PolicyError(Exception):
    """The table cannot be used."""


class Exemption(BaseModel):
    """A licence that is allowed for one package."""

    model_config = ConfigDict(extra="forbid")

    declared: str
    """What the package declares; another text is refused until someone has looked at it."""
    reason: str = Field(min_length=20)


class LicencePolicy(BaseModel):
    """The table `[tool.licences]`."""

    model_config = ConfigDict(extra="forbid")

    allow: frozenset[str]
    """SPDX identifiers."""
    names: dict[str, str] = {}
    """The SPDX identifier of each name that packages use instead of one."""
    packages: dict[str, Exemption] = {}

    @classmethod
    def read(cls, file: Path) -> LicencePolicy:
        """Raises PolicyError when the table is missing or is not valid."""
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("licences")
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            found = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise PolicyError(f"{_TABLE} is not valid: {found}") from None

    def licence_of(self, package: Package) -> str:
        """The licence as an SPDX expression, or as declared where it is none."""
        try:
            expression = self._expression(package)
        except ExpressionError:
            return package.declared or "unknown"
        return str(expression) if expression is not None else "unknown"

    def problems(self, packages: Sequence[Package], elsewhere: Sequence[str] = ()) -> list[str]:
        """What is not allowed, one message each; ``elsewhere``: packages for other platforms."""
        refused = [problem for package in packages if (problem := self._problem(package)) is not None]
        known = {package.name for package in packages} | set(elsewhere)
        unused = [
            f"{_TABLE}: packages.{name} is not a production dependency. Remove the entry."
            for name in sorted(self.packages.keys() - known)
        ]
        return refused + unused

    def _problem(self, package: Package) -> str | None:
        title = f"{package.name} {package.version} ({package.source})"
        if (exemption := self.packages.get(package.name)) is not None:
            if exemption.declared == package.declared:
                return None
            return (
                f"{title}: declares {package.declared or 'no licence'}, and {_TABLE} allows it with "
                f"{exemption.declared or 'no licence'}. Read the new licence, then update or remove "
                f"packages.{package.name} there."
            )
        decide = (
            f"Replace the package, or allow it with a reason under packages.{package.name} in {_TABLE} "
            f"(declared = {package.declared!r})."
        )
        try:
            expression = self._expression(package)
        except ExpressionError:
            return (
                f"{title}: the licence {package.declared!r} is not an SPDX expression. Read the package's licence file "
                f"and give the text's SPDX identifier under names in {_TABLE}."
            )
        if expression is None:
            return f"{title}: declares no licence. Read its licence file. {decide}"
        if self._allows(expression):
            return None
        return f"{title}: the licence {expression} is not allowed. {decide}"

    def _expression(self, package: Package) -> LicenseExpression | None:
        """All of several classifiers hold, since nothing says that one may choose."""
        names = [self.names.get(name.strip(), name.strip()) for name in package.declared.split(";")]
        return _SPDX.parse(" AND ".join(f"({name})" for name in names if name), validate=True)

    def _allows(self, expression: LicenseExpression) -> bool:
        if isinstance(expression, OR):
            return any(self._allows(part) for part in expression.args)
        if isinstance(expression, AND):
            return all(self._allows(part) for part in expression.args)
        return str(expression) in self.allow

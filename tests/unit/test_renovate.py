"""What Renovate groups: pins that must have one version change in one pull request."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.support.environment import ROOT

CONFIG: dict[str, Any] = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))
PULUMI = "Pulumi"
_PIN = re.compile(r'([@\w/-]*(?:pulumi|scaleway)[\w-]*)(?:==|": "|@)(\d+\.[\d.]+)')


def group(package: str, datasource: str = "pypi", manager: str = "pip_requirements") -> str | None:
    """The pull request that changes a package: later rules take precedence."""
    found = None
    facts = {"matchDatasources": datasource, "matchManagers": manager, "matchPackageNames": package}
    for rule in CONFIG["packageRules"]:
        if all(value in rule.get(key, [value]) for key, value in facts.items()):
            found = rule.get("groupName", found)
    return found


def dependencies(*groups: str) -> list[Requirement]:
    """What pyproject.toml declares in these dependency groups, or without a group."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [each for name in groups for each in document["dependency-groups"][name] if isinstance(each, str)]
    return [Requirement(each) for each in (declared if groups else document["project"]["dependencies"])]


def test_pins_of_pulumi_move_together() -> None:
    """In every file that pins a package of Pulumi or the provider, however the package is called there."""
    found: dict[str, set[str]] = {}
    for pattern in ("pyproject.toml", "infra/components/requirements.txt", "examples/*/*/*"):
        for path in ROOT.glob(pattern):
            if path.suffix in (".toml", ".txt", ".json", ".yaml"):
                found[str(path.relative_to(ROOT))] = {name for name, _ in _PIN.findall(path.read_text())}
    pinning = {path: names for path, names in found.items() if names}
    assert {"pyproject.toml", "infra/components/requirements.txt"} < pinning.keys()
    assert {Path(path).suffix for path in pinning} == {".toml", ".txt", ".json", ".yaml"}
    for file, names in pinning.items():
        assert not [each for each in CONFIG["ignorePaths"] if fnmatch.fnmatch(file, each)], file
        if file.endswith(".yaml"):
            assert names == {"scaleway"}
            continue
        kind = ("npm", "npm") if file.endswith(".json") else ("pypi", "pip_requirements")
        assert {group(name, *kind) for name in names} == {PULUMI}, file
    assert group("pulumi-policy") == PULUMI


def test_the_cli_and_yaml_programs_move_with_the_packages() -> None:
    versions: dict[str, set[str]] = {}
    patterns: set[str] = set()
    for manager in CONFIG["customManagers"]:
        assert manager["datasourceTemplate"] == "pypi"
        assert group(manager["depNameTemplate"], manager="custom.regex") == PULUMI
        for pattern in manager["managerFilePatterns"]:
            files = [path for path in _tracked() if re.search(pattern.strip("/"), path)]
            assert files, pattern
            for path in files:
                text = (ROOT / path).read_text(encoding="utf-8")
                for expression in manager["matchStrings"]:
                    values = re.findall(expression.replace("(?<", "(?P<"), text)
                    patterns |= {expression} if values else set()
                    versions.setdefault(manager["depNameTemplate"], set()).update(values)
    assert patterns == {expression for manager in CONFIG["customManagers"] for expression in manager["matchStrings"]}
    pinned = {each.name: {str(each.specifier).removeprefix("==")} for each in dependencies()}
    assert versions == {name: pinned[name] for name in ("pulumi", "pulumiverse-scaleway")}


def _tracked() -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for pattern in ("*.yaml", ".github/**/*.yml", "examples/**/*.yaml")
        for path in ROOT.glob(pattern)
        if "node_modules" not in path.parts
    ]


def test_development_tools_are_a_group_of_their_own() -> None:
    tools = {each.name for each in dependencies("dev")}
    assert {group(name) for name in tools} == {"Python development tools"}
    assert {group(each.name) for each in dependencies()} == {PULUMI, "Python packages"}
    (rule,) = [rule for rule in CONFIG["packageRules"] if rule.get("groupName") == "Python development tools"]
    assert sorted(tools) == rule["matchPackageNames"]


def test_every_manager_has_a_group() -> None:
    assert group("typescript", "npm", "npm") == "npm packages"
    assert group("actions/checkout", "github-tags", "github-actions") == "GitHub actions"


def test_ranges_of_the_project_are_kept() -> None:
    bounded = {
        each.name: str(next(part for part in each.specifier if part.operator == "<"))
        for each in [*dependencies(), *dependencies("build", "dev")]
        if any(part.operator == "<" for part in each.specifier)
    }
    rules = [rule for rule in CONFIG["packageRules"] if "allowedVersions" in rule]
    assert {name: rule["allowedVersions"] for rule in rules for name in rule["matchPackageNames"]} == bounded


def test_lock_files_are_compiled_with_the_projects_command() -> None:
    tasks = CONFIG["postUpgradeTasks"]
    assert tasks["commands"] == ["scripts/lock"]
    locks = {path.name for path in ROOT.glob("requirements*.txt")}
    assert locks == {name for name in locks if any(fnmatch.fnmatch(name, each) for each in tasks["fileFilters"])}
    written = re.findall(r"-o (\S+)", (ROOT / "scripts/lock").read_text(encoding="utf-8"))
    assert locks == set(written)

"""Which licences `scripts/licences` allows, what it reads them from, and what it says of those that it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.licences import __main__ as command
from tests.licences.packages import Package, SourceError, declared, npm_packages, python_packages
from tests.licences.policy import LicencePolicy, PolicyError

POLICY = LicencePolicy.model_validate(
    {
        "allow": ["MIT", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"],
        "names": {"MIT License": "MIT", "Either License": "MIT OR GPL-3.0-only"},
        "packages": {
            "copyleft": {"declared": "LGPL-3.0-only", "reason": "Imported unchanged as a library."},
            "silent": {"declared": "", "reason": "Its licence file is that of MIT."},
        },
    }
)
PYTHON_LOCK = (
    "six==1.17.0 \\\n    --hash=sha256:00\nonly-there==1.0 ; sys_platform == 'nowhere' \\\n    --hash=sha256:00\n"
)


def problems(text: str, name: str = "package") -> list[str]:
    packages = [Package("python", name, "1.0", text)]
    policy = POLICY.model_copy(update={"packages": {k: v for k, v in POLICY.packages.items() if k == name}})
    return policy.problems(packages)


@pytest.mark.parametrize(
    "text",
    [
        "MIT",
        "mit",
        "MIT OR GPL-3.0-only",
        "GPL-3.0-only OR (MIT AND Apache-2.0)",
        "MIT AND Apache-2.0",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "MIT License",
        "MIT License; Apache-2.0",
        "Either License",
    ],
)
def test_allowed(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("GPL-3.0-only", "GPL-3.0-only"),
        ("MIT AND GPL-3.0-only", "MIT AND GPL-3.0-only"),
        ("GPL-3.0-only OR AGPL-3.0-only", "GPL-3.0-only OR AGPL-3.0-only"),
        ("MIT AND (GPL-3.0-only OR AGPL-3.0-only)", "MIT AND (GPL-3.0-only OR AGPL-3.0-only)"),
        ("GPL-2.0-only", "GPL-2.0-only"),
        ("MIT License; GPL-3.0-only", "MIT AND GPL-3.0-only"),
    ],
)
def test_not_allowed(text: str, found: str) -> None:
    assert problems(text) == [
        f"package 1.0 (python): the licence {found} is not allowed. Replace the package, or allow it with a reason "
        f"under packages.package in [tool.licences] of pyproject.toml (declared = {text!r})."
    ]


@pytest.mark.parametrize("text", ["Dual License", "MIT OR", "SEE LICENSE IN LICENSE.txt", "MIT License; custom"])
def test_a_text_that_is_no_expression_is_not_guessed(text: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(f"package 1.0 (python): the licence {text!r} is not an SPDX expression. ")
    assert problem.endswith("give the text's SPDX identifier under names in [tool.licences] of pyproject.toml.")


def test_no_licence() -> None:
    (problem,) = problems("")
    assert problem.startswith("package 1.0 (python): declares no licence. Read its licence file. Replace the package,")


def test_exemptions_hold_for_one_package_and_what_it_declared() -> None:
    assert problems("LGPL-3.0-only", "copyleft") == []
    assert problems("", "silent") == []
    assert problems("LGPL-3.0-only")
    (changed,) = problems("GPL-3.0-only", "copyleft")
    assert "declares GPL-3.0-only, and [tool.licences] of pyproject.toml allows it with LGPL-3.0-only" in changed


def test_an_exemption_of_a_package_that_is_gone() -> None:
    packages = [Package("python", "copyleft", "1.0", "LGPL-3.0-only")]
    (unused,) = POLICY.problems(packages)
    assert unused.endswith("packages.silent is not a production dependency. Remove the entry.")
    assert POLICY.problems(packages, ["silent"]) == []


@pytest.mark.parametrize(
    ("expression", "classifier", "text", "found"),
    [
        ("MIT", "BSD License", "Apache", "MIT"),
        ("UNKNOWN", "BSD License; MIT License", "Apache", "BSD License; MIT License"),
        ("UNKNOWN", "UNKNOWN", "Apache\n 2.0", "Apache 2.0"),
        ("UNKNOWN", "UNKNOWN", "UNKNOWN", ""),
    ],
)
def test_the_expression_takes_precedence_over_classifiers_and_text(
    expression: str, classifier: str, text: str, found: str
) -> None:
    entry = {"License-Expression": expression, "License-Classifier": classifier, "License-Metadata": text}
    assert declared(entry) == found


def test_packages_of_a_python_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(PYTHON_LOCK)
    packages, elsewhere = python_packages(lock)
    assert [(each.name, each.declared) for each in packages] == [("six", "MIT License")]
    assert elsewhere == ["only-there"]
    lock.write_text("not-installed==1.0\n")
    with pytest.raises(SourceError, match=r"requirements\.txt: not-installed not installed in \.venv"):
        python_packages(lock)


def test_packages_of_an_npm_lock(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    entries = {
        "": {"name": "snu-apps"},
        "api": {"name": "@snu/api", "version": "1.0.0"},
        "node_modules/@snu/api": {"resolved": "api", "link": True},
        "node_modules/typescript": {"version": "1.0.0", "dev": True, "license": "Apache-2.0"},
        "node_modules/sirv": {"version": "3.0.2", "license": "MIT"},
        "node_modules/sirv/node_modules/@polka/url": {"version": "1.0.0", "license": "MIT"},
        "node_modules/nothing": {"version": "1.0.0"},
    }
    lock.write_text(json.dumps({"packages": entries}))
    assert [(each.name, each.declared) for each in npm_packages(lock)] == [
        ("@polka/url", "MIT"),
        ("nothing", ""),
        ("sirv", "MIT"),
    ]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/licences"])
    (tmp_path / "apps").mkdir()
    entries = {"node_modules/picocolors": {"version": "1.1.1", "license": "ISC"}}
    (tmp_path / "apps" / "package-lock.json").write_text(json.dumps({"packages": entries}))
    (tmp_path / "requirements-local.txt").write_text(PYTHON_LOCK)
    table = tmp_path / "pyproject.toml"
    names = '[tool.licences.names]\n"MIT License" = "MIT"\n'
    table.write_text(f'[tool.licences]\nallow = ["MIT", "ISC"]\n{names}')
    assert command.main(tmp_path) == 0
    printed = capsys.readouterr().out
    assert "python  six" in printed
    assert "2 packages, all with allowed licences." in printed
    assert "Not checked, as they are for other platforms: only-there." in printed
    table.write_text(f'[tool.licences]\nallow = ["ISC"]\n{names}')
    assert command.main(tmp_path) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: six ")
    assert "(python): the licence MIT is not allowed. " in error


@pytest.mark.parametrize("text", ["", "[tool.licences]\nallowed = []\n"])
def test_a_table_that_is_not_valid(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(text)
    with pytest.raises(PolicyError, match=r"\[tool\.licences\] of pyproject\.toml is not valid: "):
        LicencePolicy.read(file)

"""The template of preview environments: generated stack files, and owners of host names."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.previews.template import FILE, Template
from ops.stacks import find_stack, settings_of
from tests.support.environment import ROOT

SMALL = """\
config:
  snu:zone: ci.example.org
  snu:environment: {name: "${name}", foundation: foundation-ci, previewOf: ci}
  snu:apps:
    api: {host: "api-${name}.ci.example.org"}
    front: {host: "moncompte-${name}.ci.example.org"}
    fixed: {host: fixed.ci.example.org}
    silent: {}
"""


def made(folder: Path, text: str = SMALL) -> Template:
    (folder / FILE).write_text(text)
    return Template.read(folder)


def test_the_committed_template_is_a_valid_preview_of_ci(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: snu\n")
    (tmp_path / "Pulumi.foundation-ci.yaml").touch()
    template = made(tmp_path, (ROOT / FILE).read_text())
    assert (template.parent, template.zone, template.longest_name) == ("ci", "ci.beta-snu.dev", 28)
    template.write("pr-12", None)
    settings = settings_of(find_stack(tmp_path, "pr-12"))
    assert settings.environment.name == "pr-12"  # type: ignore[union-attr]  # an environment
    assert "${" not in template.file("pr-12").read_text()


def test_an_up_to_date_file_is_not_written_and_keeps_its_salt(tmp_path: Path) -> None:
    template = made(tmp_path)
    template.write("pr-1", None)
    file = template.file("pr-1")
    first = file.stat().st_mtime_ns
    template.write("pr-1", None)
    assert file.stat().st_mtime_ns == first
    template.write("pr-1", "v1:a:b")
    salted = file.read_text()
    assert salted.endswith("encryptionsalt: v1:a:b\n")
    template.write("pr-1", None)
    assert file.read_text() == salted
    template.write("pr-1", "v1:c:d")
    assert file.read_text() == salted.replace("v1:a:b", "v1:c:d")


@pytest.mark.parametrize(
    "text", ["config: {}\n", "- 1\n", "config: [\n", SMALL.replace("${name}", "pr-1"), "config: 1\n"]
)
def test_other_stack_files_are_not_overwritten(tmp_path: Path, text: str) -> None:
    template = made(tmp_path)
    file = template.file("pr-1")
    file.write_text(text.replace("previewOf: ci", "previewOf: stage"))
    before = file.read_text()
    with pytest.raises(OpsError, match=r"Pulumi\.pr-1\.yaml is not a preview stack file for ci") as caught:
        template.write("pr-1", None)
    assert caught.value.code is ExitCode.SETTINGS
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config: [\n", "while parsing"),
        ("[]\n", "found a list"),
        ("config: {}\n", "snu:environment is missing"),
        (SMALL.replace("previewOf: ci", "x: ci"), "previewOf None"),
        (SMALL.replace('"${name}"', "fixed", 1), "has name fixed"),
    ],
)
def test_invalid_templates_are_rejected(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(OpsError, match=says) as caught:
        made(tmp_path, text)
    assert caught.value.code is ExitCode.SETTINGS


def test_other_placeholders_and_long_app_names_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="'other' is not a placeholder"):
        made(tmp_path, SMALL + '  x: "${other}"\n').write("pr-1", None)
    with pytest.raises(OpsError, match="limited to 34 characters, which leaves 8"):
        _ = made(tmp_path, SMALL.replace("silent", "s" * 25)).longest_name
    with pytest.raises(OpsError, match=FILE):
        Template.read(tmp_path / "nowhere")


def test_a_host_belongs_to_the_environment_in_its_name(tmp_path: Path) -> None:
    template = made(tmp_path)
    assert template.preview_of_host("api-pr-12.ci.example.org") == "pr-12"
    assert template.preview_of_host("moncompte-br-x-12345678.ci.example.org") == "br-x-12345678"
    for host in (
        "api.ci.example.org",
        "api-.ci.example.org",
        "api-pr-012.ci.example.org",
        "api-pr-12.ci.example.com",
        "x-api-pr-12.ci.example.org",
        "api-pr-12.x.ci.example.org",
        "fixed.ci.example.org",
        "other-pr-12.ci.example.org",
        "pr-12",
        "",
    ):
        assert template.preview_of_host(host) is None, host

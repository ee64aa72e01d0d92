"""Which backend plain `pulumi` uses, and which stacks the program refuses there."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.backend import BackendError, backend_url, check_backend
from tests.support.environment import ROOT

LOOPBACK = "http://127.0.0.1:8421"
HOST = {"PULUMI_CONFIG": "{}", "HOME": "/nonexistent"}
"""The variables of a program that Pulumi's language host has started."""
BUCKET = "s3://snu-state-stage?region=fr-par"


def project(folder: Path, backend: str = "") -> Path:
    (folder / "Pulumi.yaml").write_text(f"name: snu\nruntime: python\n{backend}")
    return folder


@pytest.mark.parametrize("api_url", [None, "", "https://api.scaleway.com", "http://10.0.0.1:8421", "http://[", "local"])
@pytest.mark.parametrize("environ", [{}, {"PULUMI_BACKEND_URL": ""}, {"PULUMI_BACKEND_URL": "file://~/state"}])
def test_a_stack_of_the_real_scaleway_is_refused_on_a_folder(api_url: str | None, environ: dict[str, str]) -> None:
    with pytest.raises(BackendError, match=r"^stage is on the real Scaleway, but .* is the folder file://") as refused:
        check_backend("stage", api_url, ROOT, {**HOST, **environ})
    assert 'eval "$(scripts/snu state env stage)"' in str(refused.value)


@pytest.mark.parametrize("api_url", [LOOPBACK, "http://localhost:1", "http://[::1]:8421"])
def test_a_stack_of_the_local_scaleway_may_use_a_folder(api_url: str) -> None:
    check_backend("local", api_url, ROOT, HOST)


@pytest.mark.parametrize("url", [BUCKET, "postgres://user:password@db.example.test/state", "https://api.pulumi.com"])
def test_other_backends_are_accepted(url: str) -> None:
    check_backend("stage", None, ROOT, {**HOST, "PULUMI_BACKEND_URL": url})


def test_programs_of_snu_and_of_unit_tests_are_not_checked() -> None:
    """`snu` runs a program without the language host's variables, and has checked the backend."""
    check_backend("stage", None, ROOT, {})


def test_the_choice_follows_the_cli(tmp_path: Path) -> None:
    """The variable comes before the project's backend, and that before the last login."""
    home = tmp_path / ".pulumi"
    home.mkdir()
    (home / "credentials.json").write_text('{"current": "file://~"}')
    in_home, elsewhere = {"HOME": str(tmp_path)}, {"HOME": "/nonexistent", "PULUMI_HOME": str(home)}
    folder = project(tmp_path)
    assert backend_url(folder, in_home) == backend_url(folder, elsewhere) == "file://~"
    assert backend_url(folder, {**in_home, "PULUMI_HOME": "/nonexistent"}) == ""
    (home / "credentials.json").write_text("[]")
    assert backend_url(folder, in_home) == ""
    project(tmp_path, f"backend: {{url: '{BUCKET}'}}\n")
    assert backend_url(folder, in_home) == BUCKET
    assert backend_url(folder, {"PULUMI_BACKEND_URL": "file://."}) == "file://."

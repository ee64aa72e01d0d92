"""The whole command behind a company's proxy, which the local Scaleway is not asked through."""

from __future__ import annotations

import pytest

from ops.exit_codes import ExitCode
from tests.lab.lab import Lab
from tests.support.ports import free_port

pytestmark = pytest.mark.xdist_group("drift")  # one worker makes their lab


def test_a_proxy_is_asked_for_nothing(complete_lab: Lab, engine: str) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    proxies = {name: proxy for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())}
    home = {"PULUMI_HOME": str(complete_lab.project.directory / ".pulumi-home")}
    words = ("preview", "local", "--refresh", "--expect-no-changes", "--engine", engine)
    run = complete_lab.project.snu(*words, **home, **proxies)
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr

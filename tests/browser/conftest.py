"""A real Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.apps.workspace import workspace
from tests.support.programs import skip_without

__all__ = ["workspace"]

CHROMIUM_VARIABLE = "SNU_TEST_CHROMIUM"
"""Path of the browser, where it is not on the PATH."""

REBOUND_HOST = "rebound.example"
"""A name of somebody else that leads to this machine."""

_FLAGS = [
    f"--host-resolver-rules=MAP {REBOUND_HOST} 127.0.0.1",
    # What keeps pages away from this machine in newer browsers is not what the tests look at.
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module: as long as Playwright runs, its event loop is in the way of every other in this process."""
    path = os.environ.get(CHROMIUM_VARIABLE) or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        skip_without("chromium", f"install it (on Debian: apt-get install chromium) or set {CHROMIUM_VARIABLE}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()

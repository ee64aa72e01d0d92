"""What the server of a built front sends."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.apps.process import AppProcess
from tests.support.apps.values import environment_of, nasty_environments
from tests.support.apps.workspace import CANARY, FRONTS, Workspace, listed_variables

NOT_FOR_BROWSERS = {"SENTRY_AUTH_TOKEN": "s3cret-of-the-server", "APP_NAME": "s3cret-name", "VITE_OTHER": "s3cret-too"}


@pytest.fixture(scope="module", params=FRONTS)
def front(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[AppProcess]:
    connections = {"VITE_API_URL": "https://api.example/v1", "VITE_SENTRY_URL": "https://key@sentry.example/1"}
    values = environment_of(listed_variables(request.param), **connections)
    with workspace.start(request.param, **values, **NOT_FOR_BROWSERS) as process:
        yield process.ready()


def _script(page: str) -> str:
    """The only inline script of a page."""
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert isinstance(script, str)
    return script


def _values(page: str) -> dict[str, str]:
    name, expression = _script(page).split(" = ", 1)
    assert name == "globalThis.import_meta_env"
    values = json.loads(expression)
    assert isinstance(values, dict)
    return values


def _policy(header: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (directive.split() for directive in header.split(";"))}


def _asset(front: AppProcess, suffix: str = ".js") -> str:
    (path,) = set(re.findall(rf'"(/assets/[^"]+{re.escape(suffix)})"', front.get("/").text))
    assert isinstance(path, str)
    return path


class TestPage:
    def test_holds_the_listed_variables_only(self, front: AppProcess) -> None:
        page = front.get("/")
        listed = listed_variables(front.get("/health/version").json()["app"])
        assert set(_values(page.text)) == set(listed)
        assert "placeholder" not in page.text
        assert "s3cret" not in page.text + str(page.headers)

    def test_caches_ask_each_time(self, front: AppProcess) -> None:
        page = front.get("/")
        assert page.headers["cache-control"] == "no-cache"
        again = front.get("/", If_None_Match=f'W/{page.headers["etag"]}, "other"')
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == page.headers["content-security-policy"]
        assert front.get("/", If_None_Match='"other"').status_code == 200

    @pytest.mark.parametrize(
        ("accepted", "encoding"),
        [("br, gzip", "br"), ("gzip", "gzip"), ("identity", None), ("br;q=0, gzip;q=0.5", "gzip")],
    )
    def test_is_compressed(self, front: AppProcess, accepted: str, encoding: str | None) -> None:
        # The client knows no brotli, and leaves such an answer as it is.
        answer = front.get("/", Accept_Encoding=accepted)
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["vary"] == "Accept-Encoding"
        if encoding != "br":
            assert answer.text == front.get("/").text

    @pytest.mark.parametrize(
        "path",
        [
            "/environment",
            "/a/deep/route",
            "/index.html",
            "/index.html/",
            "/index.html//",
            "/index%2ehtml",
            "/index%2ehtml/",
            "/%zz",
            "/?a=b",
        ],
    )
    def test_answers_every_route(self, front: AppProcess, path: str) -> None:
        answer = front.get(path)
        page = front.get("/")
        assert (answer.status_code, answer.text) == (200, page.text)
        assert answer.headers["content-security-policy"] == page.headers["content-security-policy"]

    @pytest.mark.parametrize("path", ["/assets/old.js", "/assets/", "/none.png", "/.env.example", "/../server.js"])
    def test_does_not_answer_for_missing_files(self, front: AppProcess, path: str) -> None:
        answer = front.get(path)
        assert answer.status_code == 404
        assert "html" not in answer.headers["content-type"]

    def test_can_only_be_read(self, front: AppProcess) -> None:
        assert front.request("POST", "/").status_code == 405
        head = front.request("HEAD", "/")
        assert (head.status_code, head.content) == (200, b"")


class TestSecurity:
    def test_only_own_scripts_run(self, front: AppProcess) -> None:
        page = front.get("/")
        policy = _policy(page.headers["content-security-policy"])
        digest = base64.b64encode(hashlib.sha256(_script(page.text).encode()).digest()).decode()
        assert policy["script-src"] == ["'self'", f"'sha256-{digest}'"]
        assert policy["default-src"] == ["'none'"]
        assert "unsafe" not in str(policy)

    def test_the_page_calls_configured_addresses_only(self, front: AppProcess) -> None:
        policy = _policy(front.get("/").headers["content-security-policy"])
        assert policy["connect-src"] == ["'self'", "https://api.example", "https://sentry.example"]

    @pytest.mark.parametrize("path", ["/", "/favicon.svg", "/assets/none.js", "/health/version"])
    def test_headers_of_every_answer(self, front: AppProcess, path: str) -> None:
        headers = front.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "strict-transport-security" in headers


class TestFiles:
    @pytest.mark.parametrize("suffix", [".js", ".css"])
    def test_assets_never_change_and_are_compressed(self, front: AppProcess, suffix: str) -> None:
        path = _asset(front, suffix)
        plain = front.get(path, Accept_Encoding="identity")
        brotli = front.get(path, Accept_Encoding="gzip, br")
        zipped = front.get(path, Accept_Encoding="br;q=0, gzip")
        assert (plain.status_code, brotli.headers["content-encoding"]) == (200, "br")
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.content == plain.content
        assert len(brotli.content) < int(zipped.headers["content-length"]) < len(plain.content)
        for answer in (plain, brotli, zipped):
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert "Accept-Encoding" in answer.headers["vary"]

    def test_other_files_are_asked_for_each_time(self, front: AppProcess) -> None:
        icon = front.get("/favicon.svg")
        assert (icon.headers["content-type"], icon.headers["cache-control"]) == ("image/svg+xml", "no-cache")

    @pytest.mark.parametrize("value", ["bytes=5-2", "bytes=x", "bytes=999999999-"])
    def test_odd_ranges_are_harmless(self, front: AppProcess, value: str) -> None:
        assert front.get(_asset(front), Range=value).status_code == 200


@pytest.mark.parametrize("name", FRONTS)
class TestBuild:
    def test_holds_no_value_of_any_environment(self, workspace: Workspace, name: str) -> None:
        files = [file for file in (workspace.folder / name / "dist").rglob("*") if file.is_file()]
        assert len(files) > 5
        for file in files:
            content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            assert CANARY.encode() not in content
            for line in (workspace.folder / name / ".env.example").read_text().splitlines():
                key, _, example = line.partition("=")
                if key.endswith("_URL"):
                    assert example.encode() not in content

    def test_one_build_serves_two_environments_at_once(self, workspace: Workspace, name: str) -> None:
        before = _contents(workspace.folder / name)
        names = listed_variables(name)
        first = environment_of(names, VITE_SUPPORT_URL="https://first.example", VITE_API_URL="https://one.example")
        second = environment_of(names, VITE_SUPPORT_URL="https://second.example", VITE_API_URL="https://two.example")
        with workspace.start(name, **first) as one, workspace.start(name, **second) as two:
            assert _values(one.ready().get("/").text) == first
            assert _values(two.ready().get("/").text) == second
            assert "https://two.example" not in one.get("/").headers["content-security-policy"]
        assert _contents(workspace.folder / name) == before

    def test_values_arrive_intact(self, workspace: Workspace, name: str) -> None:
        for values in nasty_environments(listed_variables(name)):
            with workspace.start(name, **values) as process:
                assert _values(process.ready().get("/").text) == values

    def test_an_api_without_an_address_is_refused(self, workspace: Workspace, name: str) -> None:
        values = environment_of(listed_variables(name), VITE_API_URL="s3cret; script-src *")
        with workspace.start(name, **values) as process:
            assert process.status() == 78
            (line,) = process.stderr
            assert [(problem["variable"], problem["problem"]) for problem in line["problems"]] == [
                ("VITE_API_URL", "wrong")
            ]
            assert "s3cret" not in process.output


def test_a_front_that_was_not_built_says_so(workspace: Workspace, tmp_path: Path) -> None:
    front = tmp_path / "front"
    front.mkdir()
    (front / ".env.example").write_text("VITE_API_URL=\n")
    serve = (
        'import { serveFront } from "@snu/front-server";'
        f'await serveFront({{ app: "x", folder: new URL("file://{front}/"), connections: {{}} }});'
    )
    with AppProcess(
        [*workspace.node, "--input-type=module", "--eval", serve], workspace.folder, {"VITE_API_URL": ""}
    ) as process:
        assert process.status() == 1
        (line,) = process.stderr
        assert "npm run build" in line["message"]


def _contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

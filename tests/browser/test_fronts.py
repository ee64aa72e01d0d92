"""The pages of both fronts in a browser: one build, two environments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.support.apps.process import AppProcess
from tests.support.apps.values import environment_of, nasty_environments
from tests.support.apps.workspace import FRONTS, Workspace, listed_variables
from tests.support.ports import free_port, silent_port

HIDDEN = {"admin": {"VITE_USERBACK_ACCESS_TOKEN": "(définie)"}}
"""What the fronts show in place of a value."""


@dataclass(frozen=True)
class Environment:
    """One environment's processes, and the variables of its fronts."""

    values: dict[str, dict[str, str]]
    processes: dict[str, AppProcess]


@contextmanager
def _environment(workspace: Workspace, support: str, version: str) -> Iterator[Environment]:
    """api, admin and app that know each other's addresses."""
    with ExitStack() as stack:
        ports = {app: str(free_port()) for app in ("api", *FRONTS)}
        urls = {app: f"http://127.0.0.1:{port}" for app, port in ports.items()}
        addresses = {f"{app.upper()}_URL": url for app, url in urls.items()}
        common = {f"VITE_{name}": url for name, url in addresses.items()} | {"VITE_SUPPORT_URL": support}
        values = {front: environment_of(listed_variables(front), **common) for front in FRONTS}
        processes = {
            app: stack.enter_context(
                workspace.start(app, **values.get(app, addresses), PORT=ports[app], SNU_VERSION=version)
            ).ready()
            for app in ports
        }
        yield Environment(values, processes)


@pytest.fixture(scope="module")
def environments(workspace: Workspace) -> Iterator[tuple[Environment, Environment]]:
    with (
        _environment(workspace, "https://support.one.example", "one") as first,
        _environment(workspace, "https://support.two.example", "two") as second,
    ):
        yield first, second


@dataclass
class Visit:
    """A page, and everything that it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def failed(self, url: str, why: str) -> None:
        """A request was; one that the browser drops because the page is left is no complaint."""
        if why != "net::ERR_ABORTED":
            self.complaints.append(f"{url}: {why}")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    context = browser.new_context()
    visit = Visit(context.new_page())
    page = visit.page
    page.on("console", lambda message: visit.complaints.append(message.text))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("requestfailed", lambda request: visit.failed(request.url, request.failure or ""))
    page.on("response", lambda response: visit.responses.append(response))
    # A violation of the policy that is not in the console.
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (event) => console.error(event.violatedDirective))"
    )
    yield visit
    context.close()


def _variables(page: Page) -> dict[str, str]:
    values = json.loads(page.evaluate("JSON.stringify(globalThis.import_meta_env)"))
    assert isinstance(values, dict)
    return values


@pytest.mark.parametrize("front", FRONTS)
def test_one_build_in_two_environments(environments: tuple[Environment, Environment], visit: Visit, front: str) -> None:
    for environment, version in zip(environments, ("one", "two"), strict=True):
        visit.page.goto(f"{environment.processes[front].url}/environment")
        outputs = visit.page.locator("output")
        # The page asks its own server, and the environment's api, which is another origin.
        expect(outputs).to_have_text([f"{front} {version}", f"api {version}"])
        assert _variables(visit.page) == environment.values[front]
        support = visit.page.get_by_role("link", name="Assistance")
        expect(support).to_have_attribute("href", environment.values[front]["VITE_SUPPORT_URL"])
    assert visit.complaints == []


@pytest.mark.parametrize("front", FRONTS)
def test_what_the_browser_may_keep(environments: tuple[Environment, Environment], visit: Visit, front: str) -> None:
    url = environments[0].processes[front].url
    visit.page.goto(url)
    visit.page.wait_for_load_state("networkidle")
    headers = {response.url.removeprefix(url): response.headers for response in visit.responses}
    assert headers["/"]["cache-control"] == "no-cache"
    assets = {path: header for path, header in headers.items() if path.startswith("/assets/")}
    assert {path.rpartition(".")[2] for path in assets} == {"js", "css"}
    for header in assets.values():
        assert "immutable" in header["cache-control"]
        assert header["content-encoding"] in {"br", "gzip"}
    assert visit.complaints == []


@pytest.mark.parametrize("front", FRONTS)
def test_values_arrive_intact(workspace: Workspace, visit: Visit, front: str) -> None:
    for values in nasty_environments(listed_variables(front)):
        with workspace.start(front, **values) as process:
            visit.page.goto(f"{process.ready().url}/nothing-here")
            expect(visit.page.get_by_role("heading")).to_have_text("Page introuvable")
            assert visit.complaints == []
            assert _variables(visit.page) == values
            assert visit.page.evaluate("globalThis.broken") is None
            # As the front's own code reads them, which was built with import-meta-env.
            visit.page.goto(f"{process.url}/environment")
            shown = visit.page.locator("[data-variable]")
            read = "(elements) => elements.map((element) => [element.dataset.variable, element.textContent])"
            assert {**values, **dict(shown.evaluate_all(read))} == values | HIDDEN.get(front, {})
            # The page asks this process no more when it has ended. Nothing listens at the api's address.
            visit.page.goto("about:blank")
            visit.complaints.clear()


def test_an_injected_script_does_not_run(environments: tuple[Environment, Environment], visit: Visit) -> None:
    visit.page.goto(environments[0].processes["admin"].url)
    visit.page.evaluate(
        "const script = document.createElement('script'); script.text = 'globalThis.broken = true';"
        "document.body.append(script)"
    )
    assert visit.page.evaluate("globalThis.broken") is None
    assert any("script-src" in complaint for complaint in visit.complaints)


def test_the_form_of_the_app_asks_the_api(environments: tuple[Environment, Environment], visit: Visit) -> None:
    visit.page.goto(environments[0].processes["app"].url)
    visit.page.get_by_label("Date de naissance").fill("1990-01-31")
    expect(visit.page.locator("output")).to_contain_text("ans : non")
    assert visit.complaints == []


def test_an_api_that_does_not_answer_is_told(workspace: Workspace, visit: Visit) -> None:
    with ExitStack() as stack:
        url = f"http://127.0.0.1:{stack.enter_context(silent_port())}"
        values = environment_of(listed_variables("admin"), VITE_API_URL=url)
        process = stack.enter_context(workspace.start("admin", **values))
        visit.page.goto(process.ready().url)
        expect(visit.page.locator("output")).to_have_text("injoignable")

"""Every committed stack file as it stands: what it builds, shown to reviewers as a snapshot.

After a wanted change: `UPDATE_SNAPSHOTS=1 pytest tests/unit/test_stacks.py`, and commit the difference.
"""

import difflib
import functools
import json
import os
import string
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import program
from infra.settings import EnvironmentSettings, flat_config, load, merge
from tests.unit.mocks import FOUNDATION_OUTPUTS, NOWHERE, ROOT, UNKNOWN, Cloud, Resource, Run, Secret, run, stack_config

SNAPSHOTS = Path(__file__).parent / "snapshots"
FACTS = json.loads((Path(__file__).parent / "provider_facts.json").read_text(encoding="utf-8"))["resources"]
FOUNDATIONS = ("foundation-ci", "foundation-production", "foundation-local")
ENVIRONMENTS = ("ci", "stage", "production", "local", "pr-12")
STACKS = FOUNDATIONS + ENVIRONMENTS
PROTECTED = ("foundation-ci", "foundation-production", "ci", "stage", "production")


def filled_template() -> str:
    """The preview template, filled as for the pull request 12."""
    template = string.Template((ROOT / "Pulumi.preview.template.yaml").read_text(encoding="utf-8"))
    return template.substitute(name="pr-12")


@functools.cache
def config_of(stack: str) -> dict[str, str]:
    if stack != "pr-12":
        return stack_config(stack)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Pulumi.pr-12.yaml"
        path.write_text(filled_template(), encoding="utf-8")
        return flat_config(path)


@functools.cache
def document_of(stack: str) -> dict[str, str]:
    """A document with every key that the stack takes, each with a value of its own."""
    settings = load(stack, config_of(stack), NOWHERE)
    if not isinstance(settings, EnvironmentSettings):
        return {}
    consumers = [*settings.apps.values(), *settings.jobs.values()]
    keys = {key for consumer in consumers for key in merge(consumer, settings.apps).taken.values()}
    keys |= {settings.crash_alerts.webhook} if settings.crash_alerts is not None else set()
    return {key: f"s3cret-{key}" for key in keys}


@functools.cache
def built(stack: str, preview: bool = False) -> Run:
    zone = {"zone": config_of(stack).get("snu:zone")}
    cloud = Cloud(document=document_of(stack), foundation=FOUNDATION_OUTPUTS | zone)
    return run(
        functools.partial(program.run, NOWHERE), cloud=cloud, stack=stack, config=config_of(stack), preview=preview
    )


def shown(value: Any) -> Any:
    """A value as a snapshot shows it: nothing that was marked secret."""
    if isinstance(value, Secret):
        inner = value.value
        return dict.fromkeys(inner, "[secret]") if isinstance(inner, dict) else "[secret]"
    if isinstance(value, dict):
        return {key: shown(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shown(entry) for entry in value]
    return value


def snapshot(result: Run) -> str:
    resources = [
        {
            "name": resource.name,
            "type": resource.type,
            **({"parent": resource.parent} if resource.parent else {}),
            **({"protect": True} if resource.protect else {}),
            **({"dependsOn": sorted(resource.dependencies)} if resource.dependencies else {}),
            **({"ignoreChanges": list(resource.ignore_changes)} if resource.ignore_changes else {}),
            **({"inputs": shown(resource.inputs)} if resource.inputs else {}),
        }
        for resource in sorted(result.resources, key=lambda resource: (resource.parent or resource.name, resource.name))
    ]
    document = {"resources": resources, "outputs": shown(result.outputs)}
    ordered = json.loads(json.dumps(document))
    for resource in ordered["resources"]:
        if "inputs" in resource:
            resource["inputs"] = _sorted(resource["inputs"])
    ordered["outputs"] = _sorted(ordered["outputs"])
    return yaml.safe_dump(ordered, sort_keys=False, width=110, allow_unicode=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_builds_what_its_snapshot_shows(stack: str) -> None:
    path = SNAPSHOTS / f"{stack}.yaml"
    text = snapshot(built(stack))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    difference = "".join(
        difflib.unified_diff(before.splitlines(True), text.splitlines(True), path.name, "as it is now", n=8)
    )
    assert not difference, f"{stack} builds something else; if it is meant: UPDATE_SNAPSHOTS=1\n{difference}"


@pytest.mark.parametrize("stack", STACKS)
def test_inputs_are_known_required_and_not_deprecated(stack: str) -> None:
    for resource in built(stack).resources:
        if not resource.custom:
            continue
        facts = FACTS[resource.type]
        assert resource.inputs.keys() <= set(facts["inputs"]), resource.name
        assert not resource.inputs.keys() & set(facts.get("deprecated", ())), resource.name
        assert set(facts.get("required", ())) <= resource.inputs.keys(), resource.name


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("preview", [False, True])
def test_no_secret_is_readable(stack: str, preview: bool) -> None:
    """No value of the document and no key of the platform stands outside a secret."""
    result = built(stack, preview)
    readable = json.dumps([shown(resource.inputs) for resource in result.resources] + [shown(result.outputs)])
    assert "s3cret" not in readable
    assert "secret-key-of" not in readable
    for resource in result.resources:
        for name in FACTS.get(resource.type, {}).get("secret", ()):
            value = resource.inputs.get(name)
            assert value in (None, UNKNOWN) or isinstance(value, Secret), f"{resource.name}: {name}"


@pytest.mark.parametrize("stack", STACKS)
def test_protection_follows_the_settings(stack: str) -> None:
    assert {resource.protect for resource in built(stack).resources} == {stack in PROTECTED}


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_is_named_after_its_parent(stack: str) -> None:
    for resource in built(stack).resources:
        if resource.parent:
            assert resource.name.startswith(f"{resource.parent}-")
        elif not resource.custom:
            assert resource.type.startswith("snu:")


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_plain_values_stay_readable_and_document_values_are_secret_key_by_key(stack: str) -> None:
    for preview in (False, True):
        if preview and stack == "pr-12":
            continue  # the document of a preview is a copy that is not made yet
        variables = built(stack, preview).named("api-container").inputs["environmentVariables"]
        assert variables["APP_NAME"] == "api"
        assert variables["CLE"] == "true"
        assert variables["ADMIN_URL"].startswith("http")
        assert variables["BUCKET_NAME"] == Secret("s3cret-BUCKET_NAME")


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_a_domain_comes_after_its_container_and_record(stack: str) -> None:
    result = built(stack)
    domains = result.of_type("scaleway:containers/domain:Domain")
    records = {record.name for record in result.of_type("scaleway:domain/record:Record")}
    assert domains
    assert bool(records) == (stack in ("ci", "local", "pr-12"))
    for domain in domains:
        app = domain.name.removesuffix("-domain")
        expected = {f"{app}-container"} | ({f"{app}-record"} if records else set())
        assert domain.dependencies == expected


def containers(stack: str) -> dict[str, Resource]:
    return {
        container.inputs["name"]: container
        for container in built(stack).of_type("scaleway:containers/container:Container")
    }


SEVEN = {"api", "tasks", "apiv2", "tasksv2", "admin", "app", "antivirus"}


@pytest.mark.parametrize(
    ("stack", "environment", "apps"),
    [
        ("ci", "ci", SEVEN - {"antivirus"}),
        ("stage", "staging", SEVEN - {"antivirus"}),
        ("production", "production", SEVEN),
        ("local", "local", SEVEN),
        ("pr-12", "pr-12", {"api", "admin", "app"}),
    ],
)
def test_an_environment_has_its_containers(stack: str, environment: str, apps: set[str]) -> None:
    assert containers(stack).keys() == {f"{environment}-{app}" for app in apps}


@pytest.mark.parametrize("stack", ["ci", "stage", "production", "local"])
def test_tasks_run_the_images_and_variables_of_their_apis(stack: str) -> None:
    result = built(stack)
    for tasks, api in (("tasks", "api"), ("tasksv2", "apiv2")):
        worker = result.named(f"{tasks}-container").inputs
        server = result.named(f"{api}-container").inputs
        assert worker["image"] == server["image"]
        assert worker["image"].endswith(f"/{api}@{worker['image'].partition('@')[2]}")
        assert worker["environmentVariables"] == server["environmentVariables"] | {"RUN_TASKS": "true"}
        assert worker["secretEnvironmentVariables"] == server["secretEnvironmentVariables"]


def test_a_preview_has_a_secret_of_its_own_in_the_shared_namespace() -> None:
    result = built("pr-12")
    assert result.named("secrets-secret").inputs["name"] == "snu-pr-12"
    assert result.named("secrets-initial").ignore_changes == ("data",)
    assert not result.of_type("scaleway:containers/namespace:Namespace")
    api = result.named("api-container").inputs
    assert api["namespaceId"] == "id-of-preview-namespace"
    assert api["image"].startswith("registry.example.test/snu-ci/api@")
    assert {name: api["environmentVariables"][name] for name in ("NODE_ENV", "API_URL", "ADMIN_URL", "APP_URL")} == {
        "NODE_ENV": "custom",
        "API_URL": "https://api-pr-12.ci.beta-snu.dev",
        "ADMIN_URL": "https://admin-pr-12.ci.beta-snu.dev",
        "APP_URL": "https://moncompte-pr-12.ci.beta-snu.dev",
    }


@pytest.mark.parametrize("stack", ["ci", "stage", "production", "foundation-ci", "foundation-production"])
def test_stacks_of_real_accounts_carry_no_keys(stack: str) -> None:
    config = config_of(stack)
    assert not config.keys() & {"scaleway:apiUrl", "scaleway:accessKey", "scaleway:secretKey"}


@pytest.mark.parametrize("stack", ["local", "foundation-local"])
def test_local_stacks_can_only_reach_the_local_scaleway(stack: str) -> None:
    config = config_of(stack)
    assert config["scaleway:apiUrl"] == "http://127.0.0.1:8421"
    assert config["scaleway:secretKey"] == "10ca1000-0000-4000-8000-00000000cafe"


def test_adding_an_app_changes_the_settings_only() -> None:
    config = config_of("local")
    apps = json.loads(config["snu:apps"])
    apps["eighth"] = {"cpu": 70, "memory": 128, "image": "api", "host": "eighth.local.snu.localhost"}
    cloud = Cloud(document=document_of("local"), foundation=FOUNDATION_OUTPUTS | {"zone": "local.snu.localhost"})
    result = run(
        functools.partial(program.run, NOWHERE),
        cloud=cloud,
        stack="local",
        config=config | {"snu:apps": json.dumps(apps)},
    )
    added = {resource.name for resource in result.resources} - {resource.name for resource in built("local").resources}
    assert added == {"eighth", "eighth-container", "eighth-record", "eighth-domain"}

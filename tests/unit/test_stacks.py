"""Every committed stack: the structure that it builds, as a snapshot, and what holds for each of its resources.

A snapshot shows resources, parents, protection, dependencies, names, hosts and inputs. Whatever a promotion, a
rollback or an edited size changes has a fixed value or a placeholder there, so none of them changes a snapshot.
How sizes, variables and images become inputs is tested in `test_components.py`.

After an intended change, `scripts/test tests/unit/test_stacks.py --snapshot-update` writes the snapshots; commit them.
"""

import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from infra import naming, program
from infra.settings import AppUrl, EnvironmentSettings, load, merge
from pulumi_state import schema
from tests.lab import stack_files
from tests.support.committed_stacks import (
    ENVIRONMENTS,
    STACKS,
    Edit,
    build,
    built,
    config_of,
    document_of,
    edited_config,
)
from tests.support.mocks import FOUNDATION_OUTPUTS, NOWHERE, UNKNOWN, Cloud, Resource, Secret, run

SNAPSHOTS = Path(__file__).parent / "__snapshots__" / "test_stacks"
PROTECTED = ("foundation-ci", "foundation-stage", "foundation-production", "ci", "stage", "production")


class YamlFiles(SingleFileSnapshotExtension):
    """One YAML file for each stack."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"


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


# --- structure ----------------------------------------------------------------------------------

VARIABLES = {"documentVariables": ["FROM_DOCUMENT"], "secretVariables": ["SECRET_FROM_DOCUMENT"]}
VERSION = "some-version"


def fix_values(config: dict[str, Any]) -> None:
    """Give fixed values to what releases and sizing change, whether it is set or not."""
    stack_files.settle(config)
    for name, image in config.get("snu:images", {}).items():
        if isinstance(image, dict):
            image |= {"version": VERSION, "digest": fixed_digest(name)}
    for name, app in config.get("snu:apps", {}).items():
        variables: dict[str, Any] = {"TEXT": "text", **({"OWN_URL": {"url": name}} if "host" in app else {})}
        app |= VARIABLES | {"variables": variables}
        app.pop("variablesFrom", None)


def fixed_digest(image: str) -> str:
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


@functools.cache
def structure(stack: str, *edits: Edit) -> str:
    """What the stack builds, as its snapshot shows it, after edits of a copy of its file."""
    config = edited_config(stack, *edits, fix_values)
    result = build(stack, config)
    resources = [
        {
            "name": resource.name,
            "type": resource.type,
            **({"parent": resource.parent} if resource.parent else {}),
            **({"protect": True} if resource.protect else {}),
            **({"dependsOn": sorted(resource.dependencies)} if resource.dependencies else {}),
            **({"ignoreChanges": list(resource.ignore_changes)} if resource.ignore_changes else {}),
            **({"inputs": _sorted(_without_port(shown(resource.inputs)))} if resource.inputs else {}),
        }
        for resource in sorted(result.resources, key=lambda resource: (resource.parent or resource.name, resource.name))
    ]
    document = json.loads(json.dumps({"resources": resources, "outputs": _sorted(shown(result.outputs))}))
    text = yaml.safe_dump(document, sort_keys=False, width=110, allow_unicode=True)
    for image in json.loads(config.get("snu:images", "{}")):
        text = text.replace(fixed_digest(image), f"[digest of {image}]")
    return re.sub(r"(https?://[^/:\s]+):\d+", r"\1:[port]", text)


def _without_port(inputs: dict[str, Any]) -> dict[str, Any]:
    return inputs | {"port": "[port]"} if "port" in inputs else inputs


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize("stack", STACKS)
def test_structure(stack: str, snapshot: SnapshotAssertion) -> None:
    """After an intended change: `scripts/test tests/unit/test_stacks.py --snapshot-update`."""
    assert structure(stack) == snapshot(extension_class=YamlFiles)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(
    "edit",
    [
        stack_files.promote,
        stack_files.roll_back,
        stack_files.resize,
        stack_files.unset_optional_sizes,
        stack_files.move_ports,
    ],
)
def test_releases_sizes_and_ports_do_not_change_the_structure(stack: str, edit: Edit) -> None:
    assert structure(stack, edit) == structure(stack)


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (stack_files.promote, {"image", "imageUri"}),
        (stack_files.roll_back, {"image", "imageUri", "environmentVariables"}),
        (
            stack_files.resize,
            {
                *("cpuLimit", "memoryLimitBytes", "minScale", "maxScale", "scalingOptions", "timeout"),
                *("startupProbe", "livenessProbe", "cron"),
            },
        ),
        (stack_files.move_ports, {"port", "environmentVariables"}),
    ],
)
def test_the_edits_above_do_change_the_inputs(edit: Edit, changed: set[str]) -> None:
    """Otherwise the test above would pass for nothing."""
    before, after = (
        {each.name: each.inputs for each in result.resources}
        for result in (built("local"), build("local", edited_config("local", edit)))
    )
    assert before.keys() == after.keys()
    assert changed <= {
        key
        for name, inputs in before.items()
        for key in inputs.keys() | after[name].keys()
        if inputs.get(key) != after[name].get(key)
    }


def _remove_app(config: dict[str, Any]) -> None:
    del config["snu:apps"]["antivirus"]


def _rename_host(config: dict[str, Any]) -> None:
    config["snu:apps"]["admin"]["host"] = "console.local.snu.localhost"


def _run_other_image(config: dict[str, Any]) -> None:
    config["snu:apps"]["tasks"]["image"] = "apiv2"


def _remove_probe(config: dict[str, Any]) -> None:
    del config["snu:apps"]["api"]["livenessProbe"]


def _remove_crash_alerts(config: dict[str, Any]) -> None:
    del config["snu:crashAlerts"]


def _protect(config: dict[str, Any]) -> None:
    config["snu:protect"] = True


@pytest.mark.parametrize(
    "edit", [_remove_app, _rename_host, _run_other_image, _remove_probe, _remove_crash_alerts, _protect]
)
def test_other_edits_change_the_structure(edit: Edit) -> None:
    assert structure("local", edit) != structure("local")


def test_snapshots_hold_no_version_digest_or_port() -> None:
    files = sorted(SNAPSHOTS.glob("*.yaml"))
    assert len(files) == len(STACKS)
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"sha256:|port: \d|://[^/\s]+:\d", text), file.name
        assert {*re.findall(r"version: (\S+)", text)} <= {VERSION}, file.name


# --- resources ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
def test_inputs_are_known_required_and_not_deprecated(stack: str) -> None:
    for resource in built(stack).resources:
        if not resource.custom:
            continue
        known = schema.inputs_of(resource.type)
        assert resource.inputs.keys() <= known.keys(), resource.name
        assert not [name for name in resource.inputs if known[name].get("deprecated")], resource.name
        assert {name for name, facts in known.items() if facts.get("required")} <= resource.inputs.keys(), resource.name


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("preview", [False, True])
def test_no_secret_is_readable(stack: str, preview: bool) -> None:
    """No value of the document and no key of the platform stands outside a secret."""
    result = built(stack, preview)
    readable = json.dumps([shown(resource.inputs) for resource in result.resources] + [shown(result.outputs)])
    assert "s3cret" not in readable
    assert "secret-key-of" not in readable
    for resource in result.resources:
        for name, facts in schema.outputs_of(resource.type).items():
            value = resource.inputs.get(name)
            secret = value in (None, UNKNOWN) or isinstance(value, Secret)
            assert secret or not facts.get("secret"), f"{resource.name}: {name}"


@pytest.mark.parametrize("stack", STACKS)
def test_protection_follows_the_settings(stack: str) -> None:
    """Except that the version of an alerts' secret is replaced whenever its content changes."""
    protected = {each.protect for each in built(stack).resources if not each.name.endswith("-alerts-version")}
    assert protected == {stack in PROTECTED}


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_is_named_after_its_parent(stack: str) -> None:
    for resource in built(stack).resources:
        if resource.parent:
            assert resource.name.startswith(f"{resource.parent}-")
        elif not resource.custom:
            assert resource.type.startswith("snu:")


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_plain_values_stay_readable_and_document_values_are_secret_key_by_key(stack: str) -> None:
    settings = load(stack, config_of(stack), NOWHERE)
    assert isinstance(settings, EnvironmentSettings)
    for preview in (False, True):
        if preview and stack == "pr-12":
            continue  # the document of a preview is a copy that is not made yet
        for name, app in settings.apps.items():
            variables = merge(app, settings.apps)
            hosts = {other: target.host for other, target in settings.apps.items() if target.host is not None}
            plain = {
                key: naming.url(settings.url_template, hosts[value.url]) if isinstance(value, AppUrl) else value
                for key, value in variables.plain.items()
            }
            document = {key: Secret(f"s3cret-{source}") for key, source in variables.document.items()}
            found = built(stack, preview).named(f"{name}-container").inputs.get("environmentVariables", {})
            assert found == plain | document


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


@pytest.mark.parametrize(
    "stack", ["ci", "stage", "production", "foundation-ci", "foundation-stage", "foundation-production"]
)
def test_stacks_of_real_accounts_carry_no_keys(stack: str) -> None:
    config = config_of(stack)
    assert not config.keys() & {"scaleway:apiUrl", "scaleway:accessKey", "scaleway:secretKey"}


@pytest.mark.parametrize("stack", ["local", "foundation-local"])
def test_local_stacks_can_only_reach_the_local_scaleway(stack: str) -> None:
    config = config_of(stack)
    assert urlsplit(config["scaleway:apiUrl"]).hostname == "127.0.0.1"
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

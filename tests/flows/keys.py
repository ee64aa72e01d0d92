"""Keys of deploy applications: read from a foundation, written into a stack; what their policy gives and lacks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localcloud.engine import operations
from localcloud.engine.values import unwrap
from tests.flows.lab import OWNER_SECRET_KEY, Lab
from tests.support.project import ROOT

ORGANIZATION = "10ca1000-0000-4000-8000-000000000001"
OWNER_ACCESS_KEY = "SCWLOCALOWNER0000001"
SNAPSHOTS = ROOT / "tests/unit/__snapshots__/test_stacks"
"""What the program registers for each stack, as unit tests have recorded it."""
_IAM = "/iam/v1alpha1"


@dataclass(frozen=True)
class Key:
    access: str
    secret: str


OWNER = Key(OWNER_ACCESS_KEY, OWNER_SECRET_KEY)


def recorded_sets(foundation: str) -> list[str]:
    """The permission sets of the deploy policy that the program registers for a foundation."""
    resources = yaml.safe_load((SNAPSHOTS / f"test_structure[{foundation}].yaml").read_text())["resources"]
    (policy,) = [each for each in resources if each["name"] == "deploy-policy"]
    return [name for rule in policy["inputs"]["rules"] for name in rule["permissionSetNames"]]


def outputs(lab: Lab, stack: str) -> dict[str, Any]:
    """The outputs of a stack, secrets in clear."""
    environ = {"PULUMI_CONFIG_PASSPHRASE": "local-not-a-secret"}
    found: dict[str, Any] = unwrap(operations.outputs(lab.project.directory, stack, lab.project.backend_url, environ))
    return found


def deploy_key(lab: Lab, foundation: str) -> Key:
    found = outputs(lab, foundation)
    return Key(found["deployAccessKey"], found["deploySecretKey"])


def use(lab: Lab, stack: str, key: Key, **config: Any) -> None:
    """Point a stack of the project copy at the local Scaleway, with this key; ``config`` changes settings."""
    path = lab.project.stack_file(stack)
    document = yaml.safe_load(path.read_text())
    document["config"] |= {
        "scaleway:apiUrl": lab.project.api_url,
        "scaleway:accessKey": key.access,
        "scaleway:secretKey": key.secret,
        "scaleway:organizationId": ORGANIZATION,
        "scaleway:projectId": ORGANIZATION,
        "scaleway:zone": "fr-par-1",
        **{name.replace("__", ":"): value for name, value in config.items()},
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def write_preview(directory: Path, name: str) -> str:
    """Fill the template of a preview environment; gives the stack's name."""
    text = (ROOT / "Pulumi.preview.template.yaml").read_text().replace("${name}", name)
    (directory / f"Pulumi.{name}.yaml").write_text(text)
    return name


def deploy_policy(lab: Lab, project: str) -> tuple[str, list[dict[str, Any]]]:
    """Id and rules of the policy of a project's deploy application."""
    (policy,) = [
        each
        for each in lab.ask("GET", f"{_IAM}/policies?page_size=100")["policies"]
        if each["name"] == f"snu-deploy-{project}-policy"
    ]
    return policy["id"], lab.ask("GET", f"{_IAM}/rules?policy_id={policy['id']}")["rules"]


@contextmanager
def without(lab: Lab, project: str, permission_set: str) -> Iterator[None]:
    """While this lasts, the deploy policy of the project lacks one of its permission sets."""
    policy, rules = deploy_policy(lab, project)
    assert permission_set in [name for rule in rules for name in rule["permission_set_names"]]
    poorer = copy.deepcopy(rules)
    for rule in poorer:
        rule["permission_set_names"] = [name for name in rule["permission_set_names"] if name != permission_set]
    _set(lab, policy, [rule for rule in poorer if rule["permission_set_names"]])
    try:
        yield
    finally:
        _set(lab, policy, rules)


def _set(lab: Lab, policy: str, rules: list[dict[str, Any]]) -> None:
    names = ("permission_set_names", "project_ids", "organization_id", "condition")
    body = [{name: rule[name] for name in names if rule.get(name)} for rule in rules]
    lab.ask("PUT", f"{_IAM}/rules", {"policy_id": policy, "rules": body})

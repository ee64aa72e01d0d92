"""Keys of deploy applications: made as an owner does, written into a stack; what their policy gives and lacks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra import naming
from pulumi_state import stack_reader
from pulumi_state.state_file import StateFile
from pulumi_state.values import unwrap
from tests.lab.lab import Lab
from tests.support.environment import ROOT
from tests.support.seed import OWNER_ACCESS_KEY, OWNER_SECRET_KEY

SNAPSHOTS = ROOT / "tests/unit/__snapshots__/test_stacks"
"""What the program registers for each stack, as unit tests have recorded it."""
_IAM = "/iam/v1alpha1"


@dataclass(frozen=True)
class Key:
    access: str
    secret: str


OWNER = Key(OWNER_ACCESS_KEY, OWNER_SECRET_KEY)


def recorded_sets(foundation: str, application: str = "") -> list[str]:
    """The permission sets of the deploy policies that the program registers for a foundation.

    ``application``: only those of the application that deploys this environment, or ``previews``.
    """
    resources = yaml.safe_load((SNAPSHOTS / f"test_structure[{foundation}].yaml").read_text())["resources"]
    policies = [each for each in resources if each["name"].endswith(f"{application}-deploy-policy")]
    return [name for each in policies for rule in each["inputs"]["rules"] for name in rule["permissionSetNames"]]


def outputs(lab: Lab, stack: str) -> dict[str, Any]:
    """The outputs of a stack, secrets in clear."""
    environ = {"PULUMI_CONFIG_PASSPHRASE": "local-not-a-secret"}
    found: dict[str, Any] = unwrap(
        stack_reader.outputs(StateFile(lab.project.backend_url, "snu", stack, environ), environ)
    )
    return found


def deploy_key(lab: Lab, environment: str) -> Key:
    """A new key of the application that deploys an environment."""
    return make_key(lab, naming.deploy_application(environment))


def make_key(lab: Lab, application: str) -> Key:
    found = lab.find("iam.application", application)
    made = lab.ask("POST", f"{_IAM}/api-keys", {"application_id": found["id"], "description": naming.HANDED_OUT_KEY})
    return Key(made["access_key"], made["secret_key"])


def use(lab: Lab, stack: str, key: Key, **config: Any) -> None:
    """Point a stack of the project copy at the local Scaleway, with this key; ``config`` changes settings."""
    more = {name.replace("__", ":"): value for name, value in config.items()}
    settings = {**lab.project.provider_settings(key.access, key.secret), "scaleway:zone": "fr-par-1", **more}
    lab.project.change(stack, lambda found: found.update(settings))


def write_preview(directory: Path, name: str) -> str:
    """Fill the template of a preview environment; gives the stack's name."""
    text = (ROOT / "Pulumi.preview.template.yaml").read_text().replace("${name}", name)
    (directory / f"Pulumi.{name}.yaml").write_text(text)
    return name


def deploy_policy(lab: Lab, environment: str) -> tuple[str, list[dict[str, Any]]]:
    """Id and rules of the policy of the application that deploys an environment."""
    (policy,) = [
        each
        for each in lab.ask("GET", f"{_IAM}/policies?page_size=100")["policies"]
        if each["name"] == f"snu-deploy-{environment}-policy"
    ]
    return policy["id"], lab.ask("GET", f"{_IAM}/rules?policy_id={policy['id']}")["rules"]


@contextmanager
def without(lab: Lab, environment: str, permission_set: str) -> Iterator[None]:
    """While this lasts, the deploy policy of the environment lacks one of its permission sets."""
    policy, rules = deploy_policy(lab, environment)
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

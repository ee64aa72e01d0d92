"""Small programs as data: which resources there are, with which arguments and options.

The program in ``tests/e2e/program`` registers what a description says; a change of a program is a change of data.
"""

from __future__ import annotations

import json
import shutil
import sys
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.lab.pair import Pair
from tests.lab.project import Project
from tests.support.environment import ROOT
from tests.support.ports import free_port
from tests.support.seed import ORGANIZATION, ZONE
from tests.support.stack_yaml import stack_yaml

STACK = "dev"
BAD_NAME = "Not A Name!"
"""What the platform refuses, so that a replacement ends after the deletion."""
_PROGRAM = Path(__file__).with_name("program")

Resources = dict[str, dict[str, Any]]


def ref(name: str, output: str = "id") -> dict[str, Any]:
    """The output of a resource that stands earlier in the description."""
    return {"$ref": [name, output]}


def secret(value: Any) -> dict[str, Any]:
    return {"$secret": value}


@dataclass
class Description:
    """What a program registers, what it exports, and its stack's settings."""

    resources: Resources
    outputs: dict[str, Any] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Description:
        return deepcopy(self)

    def args(self, resource: str, /, **changes: Any) -> None:
        """Change arguments of a resource; ``None`` takes one away."""
        arguments = self.resources[resource]["args"]
        for key, value in changes.items():
            if value is None:
                arguments.pop(key, None)
            else:
                arguments[key] = value

    def opts(self, resource: str, /, **options: Any) -> None:
        self.resources[resource].update(options)

    def rename(self, old: str, new: str) -> None:
        """Another name for the resource, in its place, with all references to it."""
        self.resources = {new if name == old else name: value for name, value in self.resources.items()}
        self._replace_references(self.resources, old, new)
        self._replace_references(self.outputs, old, new)

    def _replace_references(self, value: Any, old: str, new: str) -> None:
        match value:
            case {"$ref": [name, output]} if name == old:
                value["$ref"] = [new, output]
            case dict():
                if value.get("parent") == old and "type" in value:
                    value["parent"] = new
                for item in value.values():
                    self._replace_references(item, old, new)
            case list():
                for item in value:
                    self._replace_references(item, old, new)


class Lab(Pair):
    """A described program in a folder of its own, with a local Scaleway of its own."""

    @classmethod
    def make(cls, directory: Path, home: Path) -> Lab:
        directory.mkdir(parents=True)
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(_PROGRAM / name, directory / name)
        (directory / ".venv").symlink_to(sys.prefix)
        lab = cls.of(Project(directory, free_port()), home)
        lab.write(Description({}))
        lab.cli.init(STACK)
        return lab

    def write(self, description: Description) -> None:
        """Make it the program."""
        document = {"resources": description.resources, "outputs": description.outputs}
        (self.project.directory / "resources.json").write_text(json.dumps(document, indent=1))
        config = self.project.provider_settings() | {
            key if ":" in key else f"described:{key}": value for key, value in description.config.items()
        }
        salt = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())["encryptionsalt"]
        self.project.stack_file(STACK).write_text(stack_yaml({"config": config, "encryptionsalt": salt}))


def _digest(letter: str) -> str:
    return f"rg.fr-par.scw.cloud/e2e/app@sha256:{letter * 64}"


def every_type() -> Description:
    """One resource at least of each type that the platform's programs use."""
    return Description(
        {
            "group": {"type": "group"},
            "project": {"type": "account.Project", "args": {"name": "e2e", "description": "first"}},
            "application": {
                "type": "iam.Application",
                "args": {"name": "e2e-application", "description": "first", "tags": ["one", "two"]},
            },
            "other-application": {"type": "iam.Application", "args": {"name": "e2e-other-application"}},
            "policy": {
                "type": "iam.Policy",
                "args": {
                    "name": "e2e-policy",
                    "application_id": ref("application"),
                    "rules": [
                        {
                            "project_ids": [ref("project")],
                            "permission_set_names": ["SecretManagerSecretAccess", "SecretManagerReadOnly"],
                        },
                        {"organization_id": ORGANIZATION, "permission_set_names": ["ProjectReadOnly"]},
                    ],
                },
            },
            "key": {
                "type": "iam.ApiKey",
                "args": {
                    "application_id": ref("application"),
                    "default_project_id": ref("project"),
                    "description": "first",
                },
            },
            "images": {
                "type": "registry.Namespace",
                "args": {
                    "name": "e2e-images",
                    "description": "first",
                    "is_public": False,
                    "project_id": ref("project"),
                },
            },
            "document": {
                "type": "secrets.Secret",
                "args": {
                    "name": "e2e-document",
                    "description": "first",
                    "type": "opaque",
                    "project_id": ref("project"),
                },
            },
            "passing": {
                "type": "secrets.Secret",
                "args": {
                    "name": "e2e-passing",
                    "ephemeral_policies": [{"action": "disable", "ttl": "8760h0m0s"}],
                },
            },
            "text": {
                "type": "secrets.Version",
                "args": {"secret_id": ref("document"), "data": secret("first text"), "description": "first"},
            },
            "serverless": {
                "type": "databases.ServerlessDatabase",
                "args": {"name": "e2e-serverless", "min_cpu": 0, "max_cpu": 1, "project_id": ref("project")},
            },
            "instance": {
                "type": "databases.Instance",
                "args": {
                    "name": "e2e-instance",
                    "engine": "PostgreSQL-16",
                    "node_type": "db-dev-s",
                    "volume_type": "sbs_5k",
                    "volume_size_in_gb": 10,
                    "encryption_at_rest": True,
                    "is_ha_cluster": False,
                    "disable_backup": False,
                    "backup_schedule_frequency": 24,
                    "backup_schedule_retention": 7,
                    "user_name": "e2e_admin",
                    "password": secret("First-Passw0rd!"),
                    "project_id": ref("project"),
                },
            },
            "database": {"type": "databases.Database", "args": {"instance_id": ref("instance"), "name": "e2e_data"}},
            "user": {
                "type": "databases.User",
                "args": {
                    "instance_id": ref("instance"),
                    "name": "e2e_user",
                    "password": secret("First-Passw0rd!"),
                    "is_admin": False,
                },
            },
            "privilege": {
                "type": "databases.Privilege",
                "args": {
                    "instance_id": ref("instance"),
                    "database_name": ref("database", "name"),
                    "user_name": ref("user", "name"),
                    "permission": "readonly",
                },
            },
            "acl": {
                "type": "databases.Acl",
                "args": {
                    "instance_id": ref("instance"),
                    "acl_rules": [
                        {"ip": "192.0.2.0/24", "description": "office"},
                        {"ip": "198.51.100.7/32", "description": "runner"},
                    ],
                },
            },
            "namespace": {
                "type": "containers.Namespace",
                "args": {"name": "e2e-namespace", "description": "first", "project_id": ref("project")},
            },
            "container": {
                "type": "containers.Container",
                "parent": "group",
                "args": {
                    "name": "e2e-container",
                    "namespace_id": ref("namespace"),
                    "image": _digest("a"),
                    "cpu_limit": 256,
                    "memory_limit_bytes": 256_000_000,
                    "min_scale": 0,
                    "max_scale": 1,
                    "scaling_options": [{"concurrent_requests_threshold": 50}],
                    "timeout": 60,
                    "port": 8080,
                    "protocol": "http1",
                    "privacy": "public",
                    "sandbox": "v2",
                    "https_connections_only": True,
                    "environment_variables": {"KEPT": "kept", "CHANGED": "first", "REMOVED": "removed"},
                    "secret_environment_variables": {"KEPT": "kept", "CHANGED": "first", "REMOVED": "removed"},
                    "liveness_probe": {
                        "http": {"path": "/health"},
                        "interval": "10s",
                        "timeout": "1s",
                        "failure_threshold": 3,
                    },
                },
            },
            "zone": {
                "type": "domain.Zone",
                "args": {"domain": ZONE, "subdomain": "e2e", "project_id": ref("project")},
            },
            "record": {
                "type": "domain.Record",
                "parent": "group",
                "args": {
                    "dns_zone": ref("zone"),
                    "name": "app",
                    "type": "CNAME",
                    "data": {"$join": [{"$host": ref("container", "public_endpoint")}, "."]},
                    "ttl": 3600,
                },
            },
            "host": {
                "type": "containers.Domain",
                "parent": "group",
                "depends_on": ["record"],
                "args": {"container_id": ref("container"), "hostname": f"app.e2e.{ZONE}"},
            },
            "note": {
                "type": "domain.Record",
                "args": {"dns_zone": ZONE, "name": "note", "type": "TXT", "data": "first", "ttl": 3600},
            },
            "job": {
                "type": "job.Definition",
                "args": {
                    "name": "e2e-job",
                    "cpu_limit": 140,
                    "memory_limit": 256,
                    "local_storage_capacity": 1000,
                    "image_uri": _digest("a"),
                    "timeout": "1h0m0s",
                    "env": {"KEPT": "kept", "CHANGED": "first", "REMOVED": "removed"},
                    "cron": {"schedule": "0 3 * * *", "timezone": "Europe/Paris"},
                    "project_id": ref("project"),
                },
            },
            "logs": {
                "type": "observability.Source",
                "args": {"name": "e2e-logs", "type": "logs", "retention_days": 7, "project_id": ref("project")},
            },
            "reader": {
                "type": "observability.Token",
                "args": {
                    "name": "e2e-reader",
                    "scopes": {"query_logs": True, "write_logs": False, "write_metrics": False},
                    "project_id": ref("project"),
                },
            },
            "alerts": {
                "type": "observability.AlertManager",
                "args": {"contact_points": [{"email": "one@snu.localhost"}], "project_id": ref("project")},
            },
        },
        outputs={
            "endpoint": ref("container", "public_endpoint"),
            "secretKey": secret(ref("key", "secret_key")),
            "login": secret({"$join": [ref("serverless", "endpoint"), "?key=", ref("key", "secret_key")]}),
        },
    )


UPDATES: dict[str, dict[str, Any]] = {
    "project": {"description": "second"},
    "application": {"description": "second", "tags": ["two", "three"]},
    "policy": {
        "description": "second",
        "rules": [{"project_ids": [ref("project")], "permission_set_names": ["SecretManagerReadOnly"]}],
    },
    "key": {"description": "second"},
    "images": {"description": "second", "is_public": True},
    "document": {"description": "second", "tags": ["new"], "protected": False},
    "text": {"description": "second"},
    "serverless": {"max_cpu": 2},
    "instance": {
        "name": "e2e-instance-renamed",
        "password": secret("Second-Passw0rd!"),
        "volume_size_in_gb": 20,
        "backup_schedule_retention": 8,
        "tags": ["new"],
    },
    "user": {"password": secret("Second-Passw0rd!"), "is_admin": True},
    "privilege": {"permission": "all"},
    "acl": {
        "acl_rules": [
            {"ip": "192.0.2.0/24", "description": "head office"},
            {"ip": "198.51.100.7/32", "description": "runner"},
            {"ip": "203.0.113.9/32", "description": "bastion"},
        ]
    },
    "namespace": {"description": "second", "tags": ["new"]},
    "container": {
        "image": _digest("b"),
        "cpu_limit": 512,
        "memory_limit_bytes": 512_000_000,
        "scaling_options": [{"concurrent_requests_threshold": 25}],
        "timeout": 120,
        "environment_variables": {"KEPT": "kept", "CHANGED": "second", "ADDED": "added"},
        "secret_environment_variables": {"KEPT": "kept", "CHANGED": "second", "ADDED": "added"},
        "liveness_probe": {"tcp": True, "interval": "20s", "timeout": "1s", "failure_threshold": 3},
    },
    "record": {"ttl": 60},
    "note": {"data": "second"},
    "job": {
        "cpu_limit": 280,
        "memory_limit": 512,
        "timeout": "30m0s",
        "env": {"KEPT": "kept", "CHANGED": "second", "ADDED": "added"},
        "cron": {"schedule": "0 4 * * *", "timezone": "Europe/Paris"},
    },
    "passing": {"ephemeral_policies": [{"action": "delete", "ttl": "24h", "expires_once_accessed": True}]},
    "logs": {"retention_days": 14},
    "alerts": {"contact_points": [{"email": "one@snu.localhost"}, {"email": "two@snu.localhost"}]},
}
"""Arguments that change in place. A zone, a domain, a database and a token have none."""

REPLACES: dict[str, dict[str, Any]] = {
    "key": {"application_id": ref("other-application")},
    "images": {"name": "e2e-other-images"},
    "text": {"data": secret("second text")},
    "serverless": {"name": "e2e-other-serverless"},
    "instance": {"user_name": "e2e_other_admin"},
    "database": {"name": "e2e_other_data"},
    "user": {"name": "e2e_other_user"},
    "namespace": {"name": "e2e-other-namespace"},
    "container": {"name": "e2e-other-container"},
    "host": {"hostname": "app.example.org"},
    "note": {"name": "other-note"},
    "job": {"project_id": ORGANIZATION},
    "logs": {"name": "e2e-other-logs"},
    "reader": {"scopes": {"query_logs": True, "write_logs": True, "write_metrics": False}},
    "alerts": {"project_id": ORGANIZATION},
}
"""Arguments that replace. A project, an application and a policy have none that could have another value here."""


def changed(description: Description, changes: dict[str, dict[str, Any]], *only: str) -> Description:
    """The description with changes of arguments, of all resources in the table or of some."""
    result = description.copy()
    for name in only or changes:
        result.args(name, **deepcopy(changes[name]))
    return result

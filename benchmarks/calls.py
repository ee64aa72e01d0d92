"""Comparable calls: what the local Scaleway is asked, and what moto's server is asked for the same purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.support.seed import ORGANIZATION, OWNER_SECRET_KEY, REGION

PAGE = 20
"""How many objects the lists ask for; there are more."""

_SECRETS = f"/secret-manager/v1beta1/regions/{REGION}/secrets"
_APPLICATIONS = "/iam/v1alpha1/applications"
_NAMESPACES = f"/registry/v1/regions/{REGION}/namespaces"
_DATA = "eyJrZXkiOiAidmFsdWUifQ=="


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    content: bytes = b""


Make = Callable[[int], Request]
"""The request for a number: calls that create something take a fresh one each."""


@dataclass(frozen=True)
class Pair:
    """One call on both sides."""

    name: str
    scaleway: Make
    moto: Make


def scaleway(method: str, path: str, body: dict[str, Any] | None = None) -> Request:
    content = b"" if body is None else json.dumps(body).encode()
    return Request(method, path, {"X-Auth-Token": OWNER_SECRET_KEY, "Content-Type": "application/json"}, content)


def _aws(service: str, content_type: str, content: bytes, **headers: str) -> Request:
    """moto takes the service from the credential's scope, and does not check the signature."""
    signed = f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request"
    common = {"Authorization": f"{signed}, SignedHeaders=host, Signature=0", "Content-Type": content_type}
    return Request("POST", "/", common | headers, content)


def _aws_json(service: str, target: str, **body: Any) -> Request:
    return _aws(service, "application/x-amz-json-1.1", json.dumps(body).encode(), **{"X-Amz-Target": target})


def _secrets_manager(action: str, **body: Any) -> Request:
    return _aws_json("secretsmanager", f"secretsmanager.{action}", **body)


def _ecr(action: str, **body: Any) -> Request:
    return _aws_json("ecr", f"AmazonEC2ContainerRegistry_V20150921.{action}", **body)


def _iam(action: str, **arguments: str) -> Request:
    content = urlencode({"Action": action, "Version": "2010-05-08", **arguments}).encode()
    return _aws("iam", "application/x-www-form-urlencoded", content)


def scaleway_first() -> Request:
    """Makes the secret that the reading calls find."""
    return scaleway("POST", _SECRETS, {"name": "first", "project_id": ORGANIZATION})


def scaleway_value(first_secret: str) -> Request:
    """Gives it a value; at moto's it has one from the start."""
    return scaleway("POST", f"{_SECRETS}/{first_secret}/versions", {"data": _DATA})


def moto_first() -> Request:
    """Makes the secret that the reading calls find."""
    return _secrets_manager("CreateSecret", Name="first", SecretString=_DATA)


def pairs(first_secret: str) -> list[Pair]:
    """``first_secret`` is the id of the local Scaleway's secret ``first``."""
    return [
        Pair(
            "create a secret",
            lambda n: scaleway("POST", _SECRETS, {"name": f"secret-{n}", "project_id": ORGANIZATION}),
            lambda n: _secrets_manager("CreateSecret", Name=f"secret-{n}"),
        ),
        Pair(
            "describe a secret",
            lambda _: scaleway("GET", f"{_SECRETS}/{first_secret}"),
            lambda _: _secrets_manager("DescribeSecret", SecretId="first"),
        ),
        Pair(
            "read a secret's value",
            lambda _: scaleway("GET", f"{_SECRETS}/{first_secret}/versions/latest_enabled/access"),
            lambda _: _secrets_manager("GetSecretValue", SecretId="first"),
        ),
        Pair(
            f"list {PAGE} secrets",
            lambda _: scaleway("GET", f"{_SECRETS}?page_size={PAGE}"),
            lambda _: _secrets_manager("ListSecrets", MaxResults=PAGE),
        ),
        Pair(
            "create an IAM application / user",
            lambda n: scaleway("POST", _APPLICATIONS, {"name": f"app-{n}", "organization_id": ORGANIZATION}),
            lambda n: _iam("CreateUser", UserName=f"app-{n}"),
        ),
        Pair(
            "create a registry namespace / repository",
            lambda n: scaleway("POST", _NAMESPACES, {"name": f"images-{n}", "project_id": ORGANIZATION}),
            lambda n: _ecr("CreateRepository", repositoryName=f"images-{n}"),
        ),
    ]

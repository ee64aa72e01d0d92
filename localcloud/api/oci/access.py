"""Pull and push authorization: HTTP Basic authentication with any user name and a secret key.

Public images need no credentials.
"""

from __future__ import annotations

import base64
import binascii

from localcloud.api.access import Principal, authenticate, scope_of
from localcloud.api.cloud import Cloud
from localcloud.api.errors import ApiError
from localcloud.api.oci.bodies import HttpRequest
from localcloud.api.oci.errors import denied, name_unknown, unauthorized
from localcloud.api.oci.repository import Repository, find_namespace
from localcloud.api.permissions import Permission

PULL = Permission("registry", "read", "image")
PUSH = Permission("registry", "write", "image")


def authenticate_request(cloud: Cloud, request: HttpRequest) -> Principal | None:
    """The request's principal. None if it is anonymous; some clients send empty credentials.

    Raises ``UNAUTHORIZED`` for an invalid key.
    """
    header = request.header("authorization")
    if not header:
        return None
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise unauthorized() from error
    if scheme.lower() != "basic":
        raise unauthorized()
    if not user and not password:
        return None
    try:
        return authenticate(cloud.store, password, cloud.now())
    except ApiError as error:
        raise unauthorized() from error


def open_repository(cloud: Cloud, principal: Principal | None, name: str, permission: Permission) -> Repository:
    """The repository with this name, if the caller has the permission for it.

    Raises ``UNAUTHORIZED`` or ``DENIED``, or ``NAME_UNKNOWN`` if the registry namespace does not exist.
    """
    namespace_name, _, path = name.partition("/")
    namespace = find_namespace(cloud.store, namespace_name)
    repository = Repository(cloud.store, namespace, path) if namespace is not None and path else None
    if permission == PULL and repository is not None and _is_public(repository):
        return repository
    if principal is None:
        raise unauthorized()
    if repository is None:
        raise name_unknown(name)
    if not scope_of(cloud.store, principal, permission).covers(repository.namespace["_project"]):
        raise denied(permission.product, permission.action)
    return repository


def _is_public(repository: Repository) -> bool:
    image = repository.image
    visibility = image["visibility"] if image is not None else "inherit"
    return visibility == "public" or (visibility == "inherit" and repository.namespace["is_public"])

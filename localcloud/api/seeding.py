"""Writes a seed to an empty store."""

from __future__ import annotations

import base64
import json

from localcloud.api.access import EVERYWHERE, Principal
from localcloud.api.account.routes import new_project
from localcloud.api.account.schemas import projects
from localcloud.api.cloud import Cloud
from localcloud.api.domain.routes import new_zone
from localcloud.api.domain.schemas import zones
from localcloud.api.errors import StartError
from localcloud.api.iam.routes import add_api_key
from localcloud.api.iam.schemas import users
from localcloud.api.permissions import Permission
from localcloud.api.request import PROJECTS, ApiRequest
from localcloud.api.secret_manager.routes import add_version, new_secret
from localcloud.api.secret_manager.schemas import SECRET, secrets
from localcloud.api.seed import Owner, Secret, Seed
from localcloud.api.store import VAULT_PREFIX

_PERMISSION = Permission("*", "write", "seed")


def seed_store(cloud: Cloud, seed: Seed) -> None:
    """Write the seed unless the store already contains its organization. Raises StartError if it contains another."""
    store, organization_id = cloud.store, seed.organization_id
    if any(store.all(PROJECTS)):
        if store.get(PROJECTS, organization_id) is None:
            raise StartError(
                f"The data in {store.folder} does not belong to the seed's organization, {organization_id}. "
                "Use another --data folder, or the --seed file that the data was created with."
            )
        return
    request = _owner_request(cloud, seed)
    default = {"id": organization_id, "name": "default", "description": ""}
    projects.add(request, new_project(request, default) | {"_project": organization_id}, project=None)
    _add_owner(request, seed.owner)
    for zone in seed.dns_zones:
        zones.add(
            request,
            new_zone(request, {**zone, "project_id": organization_id}, organization_id),
            project=organization_id,
        )
    for secret in seed.secrets:
        _add_secret(_owner_request(cloud, seed, secret.region), secret)
    for kind in store.kinds():
        if not kind.startswith(VAULT_PREFIX):
            for resource in list(store.all(kind)):
                store.put(kind, resource["id"], {**resource, "_seed": True})
    store.commit()


def _owner_request(cloud: Cloud, seed: Seed, region: str | None = None) -> ApiRequest:
    """A request made as the owner."""
    principal = Principal(seed.owner.access_key, seed.owner.id, None, seed.organization_id)
    params = {} if region is None else {"region": region}
    return ApiRequest(cloud, params, {}, b"", principal, _PERMISSION, EVERYWHERE)


def _add_owner(request: ApiRequest, owner: Owner) -> None:
    """Add the owner's user and API key."""
    users.add(
        request,
        {
            "id": owner.id,
            "email": owner.email,
            "username": "owner",
            "first_name": "",
            "last_name": "",
            "phone_number": "",
            "locale": "fr_FR",
            "organization_id": request.organization_id,
            "deletable": False,
            "last_login_at": None,
            "type": "owner",
            "status": "activated",
            "mfa": False,
            "account_root_user_id": owner.id,
            "tags": [],
            "locked": False,
        },
        project=None,
    )
    add_api_key(
        request,
        owner.access_key,
        owner.secret_key,
        {
            "user_id": owner.id,
            "description": "the local Scaleway owner's key",
            "default_project_id": request.organization_id,
            "expires_at": None,
        },
    )


def _add_secret(request: ApiRequest, secret: Secret) -> None:
    """Add a secret with its only version."""
    project = request.organization_id
    values = new_secret(request, SECRET.create(secret.values), project)
    resource = secrets.add(request, {"id": secret.id, **values}, project=project)
    add_version(request, resource, base64.b64encode(json.dumps(secret.document).encode()).decode(), description="")

"""Puts a seed into an empty store."""

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
    """Put the seed into a store that holds no organization. Raises StartError where it holds another one."""
    store, organization_id = cloud.store, seed.organization_id
    if any(store.all(PROJECTS)):
        if store.get(PROJECTS, organization_id) is None:
            raise StartError(
                f"The data in {store.folder} are of another organization than the seed's, {organization_id}: give "
                "another --data, or the --seed that they were begun with."
            )
        return
    call = _call(cloud, seed)
    default = {"id": organization_id, "name": "default", "description": ""}
    projects.add(call, new_project(call, default) | {"_project": organization_id}, project=None)
    _add_owner(call, seed.owner)
    for zone in seed.dns_zones:
        zones.add(
            call, new_zone(call, {**zone, "project_id": organization_id}, organization_id), project=organization_id
        )
    for secret in seed.secrets:
        _add_secret(_call(cloud, seed, secret.region), secret)
    for kind in store.kinds():
        if not kind.startswith(VAULT_PREFIX):
            for resource in list(store.all(kind)):
                store.put(kind, resource["id"], {**resource, "_seed": True})
    store.commit()


def _call(cloud: Cloud, seed: Seed, region: str | None = None) -> ApiRequest:
    """The owner's."""
    principal = Principal(seed.owner.access_key, seed.owner.id, None, seed.organization_id)
    params = {} if region is None else {"region": region}
    return ApiRequest(cloud, params, {}, b"", principal, _PERMISSION, EVERYWHERE)


def _add_owner(call: ApiRequest, owner: Owner) -> None:
    """The user, and the API key."""
    users.add(
        call,
        {
            "id": owner.id,
            "email": owner.email,
            "username": "owner",
            "first_name": "",
            "last_name": "",
            "phone_number": "",
            "locale": "fr_FR",
            "organization_id": call.organization_id,
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
        call,
        owner.access_key,
        owner.secret_key,
        {
            "user_id": owner.id,
            "description": "the owner's key of the local Scaleway",
            "default_project_id": call.organization_id,
            "expires_at": None,
        },
    )


def _add_secret(call: ApiRequest, secret: Secret) -> None:
    """With its one version."""
    project = call.organization_id
    values = new_secret(call, SECRET.create(secret.values), project)
    kept = secrets.add(call, {"id": secret.id, **values}, project=project)
    add_version(call, kept, base64.b64encode(json.dumps(secret.document).encode()).decode(), description="")

"""What an account holds before the first run: organization, owner and key, root zone, the fake secret document."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from localcloud.api.access import API_KEYS, SECRET_KEYS
from localcloud.api.call import PROJECTS
from localcloud.api.clock import timestamp
from localcloud.api.cloud import ORGANIZATION_ID, Cloud
from localcloud.api.domain.routes import NAME_SERVERS
from localcloud.api.secret_manager.payloads import PAYLOADS
from localcloud.api.store import Resource

REGION = "fr-par"
OWNER_ID = "10ca1000-0000-4000-8000-000000000002"
ACCESS_KEY = "SCWLOCALOWNER0000001"
SECRET_KEY = "10ca1000-0000-4000-8000-00000000cafe"  # noqa: S105 - fake, and of no use elsewhere
ZONE = "snu.localhost"
DOCUMENT_ID = "10ca1000-0000-4000-8000-000000000003"
DOCUMENT_NAME = "snu-local"

DOCUMENT_KEYS = (
    "API_ANALYTICS_API_KEY",
    "API_ANALYTICS_ENDPOINT",
    "API_ASSOCIATION_AWS_ACCESS_KEY_ID",
    "API_ASSOCIATION_AWS_SECRET_ACCESS_KEY",
    "API_ASSOCIATION_CELLAR_ENDPOINT",
    "API_ASSOCIATION_CELLAR_KEYID",
    "API_ASSOCIATION_CELLAR_KEYSECRET",
    "API_ASSOCIATION_ES_ENDPOINT",
    "API_ENGAGEMENT_KEY",
    "API_PDF_ENDPOINT",
    "BUCKET_NAME",
    "CELLAR_ENDPOINT",
    "CELLAR_ENDPOINT_SUPPORT",
    "CELLAR_KEYID",
    "CELLAR_KEYID_SUPPORT",
    "CELLAR_KEYSECRET",
    "CELLAR_KEYSECRET_SUPPORT",
    "DIAGORIENTE_TOKEN",
    "DIAGORIENTE_URL",
    "ES_ENDPOINT",
    "FILE_ENCRYPTION_SECRET",
    "FILE_ENCRYPTION_SECRET_SUPPORT",
    "FRANCE_CONNECT_CLIENT_ID",
    "FRANCE_CONNECT_CLIENT_SECRET",
    "FRANCE_CONNECT_URL",
    "JVA_API_KEY",
    "JVA_TOKEN",
    "KNOWLEDGEBASE_URL",
    "MONGO_URL",
    "PM2_SLACK_URL",
    "PUBLIC_BUCKET_NAME",
    "PUBLIC_BUCKET_NAME_SUPPORT",
    "QPV_PASSWORD",
    "QPV_USERNAME",
    "SECRET",
    "SENDINBLUEKEY",
    "SENTRY_AUTH_TOKEN",
    "SENTRY_URL",
    "SLACK_BOT_CHANNEL",
    "SLACK_BOT_TOKEN",
    "SLACK_WEBHOOK_URL",
    "SUPPORT_APIKEY",
    "SUPPORT_URL",
    "TOKENLOADTEST",
    "USERBACK_ACCESS_TOKEN",
)
"""Every key that an app of the platform takes from its environment's secret document."""


def plant(cloud: Cloud) -> None:
    """Put the seed into an empty store; does nothing to one that holds an organization."""
    store = cloud.store
    if store.get(PROJECTS, ORGANIZATION_ID) is not None:
        return
    moment = timestamp(cloud.now())

    def put(kind: str, resource: Resource) -> None:
        store.put(kind, resource["id"], {**resource, "created_at": moment, "updated_at": moment, "_seed": True})

    put(
        PROJECTS,
        {
            "id": ORGANIZATION_ID,
            "name": "default",
            "description": "",
            "organization_id": ORGANIZATION_ID,
            "qualification": None,
            "_project": ORGANIZATION_ID,
        },
    )
    put(
        "iam.user",
        {
            "id": OWNER_ID,
            "email": "owner@snu.localhost",
            "username": "owner",
            "first_name": "",
            "last_name": "",
            "phone_number": "",
            "locale": "fr_FR",
            "organization_id": ORGANIZATION_ID,
            "deletable": False,
            "last_login_at": None,
            "type": "owner",
            "status": "activated",
            "mfa": False,
            "account_root_user_id": OWNER_ID,
            "tags": [],
            "locked": False,
        },
    )
    put(
        API_KEYS,
        {
            "id": ACCESS_KEY,
            "access_key": ACCESS_KEY,
            "secret_key": None,
            "user_id": OWNER_ID,
            "description": "the owner's key of the local Scaleway",
            "default_project_id": ORGANIZATION_ID,
            "expires_at": None,
            "editable": True,
            "deletable": True,
            "managed": False,
            "creation_ip": "127.0.0.1",
            "_bearer": OWNER_ID,
        },
    )
    store.put(SECRET_KEYS, SECRET_KEY, {"id": SECRET_KEY, "access_key": ACCESS_KEY})
    put(
        "domain.zone",
        {
            "id": ZONE,
            "domain": ZONE,
            "subdomain": "",
            "project_id": ORGANIZATION_ID,
            "status": "active",
            "message": None,
            "ns": NAME_SERVERS,
            "ns_default": NAME_SERVERS,
            "ns_master": [],
            "linked_products": [],
            "_organization": ORGANIZATION_ID,
            "_project": ORGANIZATION_ID,
        },
    )
    _plant_document(cloud, put)
    store.commit()


def _plant_document(cloud: Cloud, put: Callable[[str, Resource], None]) -> None:
    put(
        "secret_manager.secret",
        {
            "id": DOCUMENT_ID,
            "project_id": ORGANIZATION_ID,
            "name": DOCUMENT_NAME,
            "status": "ready",
            "tags": [],
            "description": "fake values for the local environment",
            "managed": False,
            "type": "opaque",
            "protected": False,
            "path": "/",
            "ephemeral_policy": None,
            "used_by": [],
            "deletion_requested_at": None,
            "key_id": None,
            "region": REGION,
            "_region": REGION,
            "_project": ORGANIZATION_ID,
            "_last_revision": 1,
        },
    )
    version_id = f"{DOCUMENT_ID}/1"
    document = json.dumps({key: fake_value(key) for key in DOCUMENT_KEYS})
    cloud.store.put(PAYLOADS, version_id, {"id": version_id, "data": base64.b64encode(document.encode()).decode()})
    put(
        "secret_manager.version",
        {
            "id": version_id,
            "revision": 1,
            "secret_id": DOCUMENT_ID,
            "status": "enabled",
            "deleted_at": None,
            "description": "",
            "ephemeral_properties": None,
            "deletion_requested_at": None,
            "region": REGION,
            "_region": REGION,
            "_project": ORGANIZATION_ID,
        },
    )


def fake_value(key: str) -> str:
    """``MONGO_URL`` → ``fake-mongo-url``; what has to be an address is one of this machine where nothing listens."""
    fake = "fake-" + key.lower().replace("_", "-")
    return f"https://hooks.localhost/{fake}" if key == "SLACK_WEBHOOK_URL" else fake

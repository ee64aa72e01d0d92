"""What the local Scaleways of the tests start with: the project's own seed."""

from __future__ import annotations

from localcloud.api.seed import read_seed
from ops.local import SEED_FILE

SEED = read_seed(SEED_FILE)
ORGANIZATION = SEED.organization_id
OWNER_ACCESS_KEY = SEED.owner.access_key
OWNER_SECRET_KEY = SEED.owner.secret_key
(_secret,) = SEED.secrets
REGION = _secret.region
DOCUMENT = dict(_secret.document)
"""The secret document of the local environment: it has every key that an app takes."""
(_zone,) = SEED.dns_zones
ZONE: str = _zone["domain"]


def provider_variables(api_url: str) -> dict[str, str]:
    """The environment variables with which any client works on a local Scaleway as its owner."""
    return {
        "SCW_API_URL": api_url,
        "SCW_ACCESS_KEY": OWNER_ACCESS_KEY,
        "SCW_SECRET_KEY": OWNER_SECRET_KEY,
        "SCW_DEFAULT_ORGANIZATION_ID": ORGANIZATION,
        "SCW_DEFAULT_PROJECT_ID": ORGANIZATION,
        "SCW_DEFAULT_REGION": REGION,
    }

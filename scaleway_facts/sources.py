"""The sources of the facts."""

from datetime import date

from scaleway_facts.fact import Source

_DOCS = "https://www.scaleway.com/en/docs"
_DOCS_CONTENT = "https://github.com/scaleway/docs-content/pull"

CONTAINERS = Source(
    "Containers limitations",
    f"{_DOCS}/serverless-containers/reference-content/containers-limitations/",
    date(2025, 9, 17),
)
CONTAINERS_BEFORE = Source(CONTAINERS.title, CONTAINERS.url, date(2025, 3, 13))
VARIABLE_COUNT = Source("docs-content #5999, “update env vars limit”", f"{_DOCS_CONTENT}/5999", date(2025, 12, 23))
VARIABLE_NAMES = Source("docs-content #6183, “env var constraints”", f"{_DOCS_CONTENT}/6183", date(2026, 2, 12))
VARIABLE_SIZE = Source(
    "Changelog, “Environment variables limitation upgrade”", f"{_DOCS_CONTENT}/6589", date(2026, 6, 11)
)
MEMORY_BY_CPU = Source(
    "the API's error message in serverless-gateway #63",
    "https://github.com/scaleway/serverless-gateway/issues/63",
    date(2025, 7, 28),
)
PROBES = Source("docs-content #6801, Containers concepts, “Health check”", f"{_DOCS_CONTENT}/6801", date(2026, 8, 17))
JOBS = Source("Jobs limitations", f"{_DOCS}/serverless-jobs/reference-content/jobs-limitations/", date(2025, 4, 8))
QUOTAS = Source(
    "Organization quotas",
    f"{_DOCS}/organizations-and-projects/additional-content/organization-quotas/",
    date(2024, 10, 16),
)
API_KEY_DURATION = Source(
    "How to set and manage credential maximum duration",
    f"{_DOCS}/iam/how-to/set-credentials-maximum-duration/",
    date(2026, 11, 28),
)
SECRETS = Source(
    "Secret Manager concepts, “Scheduled deletion”", f"{_DOCS}/secret-manager/concepts/", date(2025, 4, 15)
)
REPLACED_STACK = Source(
    "the Terraform stack that this project replaces",
    "https://github.com/betagouv/service-national-universel",
    date(2025, 1, 31),
)
SQL_DATABASES = Source(
    "pulumiverse-scaleway 1.53.0, `databases.ServerlessDatabase.maxCpu`",
    "https://www.pulumi.com/registry/packages/scaleway/api-docs/databases/serverlessdatabase/",
    date(2026, 11, 28),
)
SDK = Source(
    "Scaleway's SDK for Python 2.12.0, `container.v1`",
    "https://github.com/scaleway/scaleway-sdk-python",
    date(2026, 11, 28),
)

"""Names of the environment variables that the Pulumi CLI reads."""

from __future__ import annotations

BACKEND_URL = "PULUMI_BACKEND_URL"
PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the variable's name
ROOT_CERTIFICATE = "PGSSLROOTCERT"
"""PostgreSQL's variable for the file of CA certificates used to verify the server. The CLI's driver also reads it."""
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the variable's name

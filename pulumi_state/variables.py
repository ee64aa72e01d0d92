"""Names of the environment variables that the Pulumi CLI reads."""

from __future__ import annotations

BACKEND_URL = "PULUMI_BACKEND_URL"
PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the variable's name
ROOT_CERTIFICATE = "PGSSLROOTCERT"
"""PostgreSQL's variable: a file of CA certificates that verify the server's. The CLI's driver reads it too."""
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the variable's name

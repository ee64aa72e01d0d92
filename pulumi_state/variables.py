"""Names of the environment variables that Pulumi reads."""

from __future__ import annotations

BACKEND_URL = "PULUMI_BACKEND_URL"
PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the variable's name
ROOT_CERTIFICATE = "PGSSLROOTCERT"
"""PostgreSQL's: the file with the certificates that a server's own is verified with. The CLI's driver reads it too."""
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the variable's name

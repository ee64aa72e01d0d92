"""Defaults of the components' arguments.

This module does not import Pulumi, so that the stacks' settings can use the same defaults.
"""

from typing import Final

MIN_SCALE = 0
MAX_SCALE = 1
CONCURRENCY = 50
REQUEST_TIMEOUT = 300
"""In seconds."""
PORT = 8080
PROTOCOL: Final = "http1"
PRIVACY: Final = "public"
SANDBOX: Final = "v2"

PROBE_INTERVAL = 10
"""In seconds."""
PROBE_TIMEOUT = 1
"""In seconds."""
PROBE_FAILURES = 3
PLATFORM_PROBE_FAILURES = 30
"""Consecutive failures of the platform's default probe, which opens a TCP connection.

Source: Scaleway, "Containers - Concepts", Health check (2025-05-26), and the API's response for a container without
probes.
"""

PLATFORM = "linux/amd64"
"""The only platform that Serverless Containers support."""

JOB_STORAGE = 1000
"""In MB."""

RELEASE_TIMEOUT = 600
"""In seconds."""

SERVERLESS_MIN_CPU = 0
SERVERLESS_MAX_CPU = 1

NODE_TYPE = "DB-DEV-S"
DATABASE_ENGINE = "PostgreSQL-15"
VOLUME_SIZE = 10
"""In GB."""
BACKUP_FREQUENCY = 24
"""In hours."""
BACKUP_RETENTION = 30
"""In days."""

ALERTS_INTERVAL: Final = 5
"""In minutes."""
ALERTS_CPU = 140
"""In thousandths of a vCPU. The size of the crash alerts job does not depend on the number of crashes."""
ALERTS_MEMORY = 256
"""In MB."""
ALERTS_TIMEOUT = 300
"""In seconds."""

"""Scaleway platform behaviour that may be unexpected."""

from datetime import timedelta

from scaleway_facts import sources
from scaleway_facts.fact import Behaviour

FALLBACK = timedelta(hours=24)
"""How long a container's previous version keeps serving requests after a failed deployment."""
SECRET_RETENTION = timedelta(days=7)
"""How long a deleted secret can be recovered and its name stays reserved."""
LONGEST_EPHEMERAL = timedelta(days=365)
"""The maximum lifetime of an ephemeral secret's versions."""

LIVENESS = Behaviour(
    subject="A liveness probe fails too many times in a row",
    statement="The container is not restarted. It enters an error state and receives no traffic.",
    source=sources.PROBES,
    note="The API reference (SDK 2.12.0) still states that the container is restarted. Whether traffic resumes when "
    "the probe succeeds again is not documented; the local Scaleway assumes that it does.",
)
STARTUP = Behaviour(
    subject="A startup probe fails too many times in a row",
    statement="The container is restarted. Liveness probes start only after the startup probe has succeeded.",
    source=sources.SDK,
)
FAILED_DEPLOY = Behaviour(
    subject="A deployment fails",
    statement=f"The previous version keeps serving requests for at most {FALLBACK // timedelta(hours=1)} hours. Then "
    "both versions are removed, and no version serves requests until a deployment succeeds.",
    source=sources.CONTAINERS,
)
MEMORY_QUOTA = Behaviour(
    subject="Containers would exceed the organization's memory quota",
    statement="The deployment fails. Each container counts as its memory times its maximum scale.",
    source=sources.QUOTAS,
)
DELETED_SECRET = Behaviour(
    subject="A secret is deleted",
    statement=f"The secret is scheduled for deletion in {SECRET_RETENTION.days} days. Until then, it can be recovered, "
    "but not edited or accessed.",
    source=sources.SECRETS,
    note="Users report that no other secret can use the same name and path until then.",
)
EPHEMERAL_SECRET = Behaviour(
    subject="An ephemeral secret is deleted",
    statement="The secret is removed immediately. A secret can be made ephemeral only when it is created, and its "
    f"versions expire after at most {LONGEST_EPHEMERAL.days} days.",
    source=sources.SECRETS,
)
EXPIRING_API_KEYS = Behaviour(
    subject="The organization has set a maximum duration for API keys",
    statement="A new key without an expiration date, or with one beyond that duration, is rejected. Existing keys do "
    "not change, and a key's expiration date cannot be changed.",
    source=sources.API_KEY_DURATION,
)

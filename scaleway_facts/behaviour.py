"""What Scaleway's platform does where a reader might expect something else."""

from datetime import timedelta

from scaleway_facts import sources
from scaleway_facts.fact import Behaviour

FALLBACK = timedelta(hours=24)
"""How long the previous version of a container serves after a failed deploy."""
SECRET_RETENTION = timedelta(days=7)
"""How long a deleted secret can be recovered, and keeps its name."""
LONGEST_EPHEMERAL = timedelta(days=365)
"""How long a version of an ephemeral secret can live."""

LIVENESS = Behaviour(
    subject="A liveness probe fails too often in a row",
    statement="The container is not restarted. It is considered in error, and gets no traffic.",
    source=sources.PROBES,
    note="The API's own reference (SDK 2.12.0) still says that the container is restarted. Whether traffic returns "
    "when the probe succeeds again is not stated; the local Scaleway assumes so.",
)
STARTUP = Behaviour(
    subject="A startup probe fails too often in a row",
    statement="The container is restarted. No liveness probe runs before the startup probe has succeeded.",
    source=sources.SDK,
)
FAILED_DEPLOY = Behaviour(
    subject="A deploy fails",
    statement=f"The previous version serves for at most {FALLBACK // timedelta(hours=1)} hours. Then both are "
    "removed, and nothing serves until a deploy succeeds.",
    source=sources.CONTAINERS,
)
MEMORY_QUOTA = Behaviour(
    subject="Containers would need more memory than the organization's quota",
    statement="The deploy fails. What counts is the maximum scale times the memory, summed over all containers.",
    source=sources.QUOTAS,
)
DELETED_SECRET = Behaviour(
    subject="A secret is deleted",
    statement=f"It is scheduled for deletion for {SECRET_RETENTION.days} days, in which it can be recovered but not "
    "edited or accessed.",
    source=sources.SECRETS,
    note="Reported by users: no other secret can take its name and path meanwhile.",
)
EPHEMERAL_SECRET = Behaviour(
    subject="An ephemeral secret is deleted",
    statement="It is gone at once. A secret is ephemeral from its creation or never, and its versions live for at most "
    f"{LONGEST_EPHEMERAL.days} days.",
    source=sources.SECRETS,
)
EXPIRING_API_KEYS = Behaviour(
    subject="The organization has set a maximum duration for API keys",
    statement="A new key without an expiry, or with a later one, is refused. Existing keys stay as they are, and "
    "the expiry of a key cannot be changed.",
    source=sources.API_KEY_DURATION,
)

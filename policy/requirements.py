"""The requirements that a stack's resources must meet, as plain data for the rules.

`policy.stack_settings` derives them from the settings of SNU's stacks. For the stacks of other projects,
`policy.configuration` derives them from the policy pack's configuration file.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from infra.settings.models import PolicyExemption


@dataclass(frozen=True)
class Requirements:
    """What the rules need to know about a stack. The defaults apply if nothing is known about it."""

    protect: bool = False
    """Whether all resources must be protected."""
    registry_namespaces: Collection[str] | None = None
    """The registry namespaces that images may come from; None if any registry is allowed."""
    permission_sets: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Full-access and manager permission sets allowed on a project, by the name of the IAM policy."""
    exemptions: Sequence[PolicyExemption] = ()
    remedies: Mapping[str, str] = field(default_factory=dict)
    """The project's own remedies, by rule; they replace the rules' general ones."""

"""The base class of all components."""

from typing import cast

import pulumi

PACKAGE = "snu"
"""Name of the component package."""


class Component(pulumi.ComponentResource):
    """A component with the type token `<package>:index:<class>`."""

    _former_type = ""
    """Type token that the component had before it was part of a package; empty if it never had one. Live resources have
    it in their URNs."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None) -> None:
        """Register the component, with an alias for its former type."""
        aliases = pulumi.ResourceOptions(aliases=self._former_aliases(opts))
        super().__init__(
            f"{PACKAGE}:index:{type(self).__name__}", name, None, pulumi.ResourceOptions.merge(opts, aliases)
        )

    def _former_aliases(self, opts: pulumi.ResourceOptions | None) -> list[pulumi.Input[str | pulumi.Alias]]:
        """Return aliases for the former type, alone and with each former name; Pulumi does not combine aliases."""
        if not self._former_type:
            return []
        aliases = [pulumi.Alias(type_=self._former_type)]
        for alias in (opts and opts.aliases) or []:
            if isinstance(alias, pulumi.Alias) and cast(object, alias.type_) is ...:
                aliases.append(
                    pulumi.Alias(
                        name=alias.name,
                        type_=self._former_type,
                        parent=alias.parent,
                        stack=alias.stack,
                        project=alias.project,
                    )
                )
        return [*aliases]

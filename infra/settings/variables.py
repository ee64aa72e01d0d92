"""The variables of an app or job, once those that it takes from another app are added."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.settings.models import App, AppUrl, Variables


@dataclass(frozen=True)
class MergedVariables:
    """Every variable by name, each in exactly one of the three kinds."""

    plain: dict[str, str | AppUrl] = field(default_factory=dict)
    document: dict[str, str] = field(default_factory=dict)
    """Plain on the platform, the value under this key of the secret document."""
    secret: dict[str, str] = field(default_factory=dict)
    """Secret on the platform, the value under this key of the secret document."""

    @property
    def taken(self) -> dict[str, str]:
        """Every variable whose value is in the secret document, with its key there."""
        return self.document | self.secret


def merge(consumer: Variables, apps: Mapping[str, App]) -> MergedVariables:
    """What a consumer declares, over what it takes: its own declaration of a name replaces the other.

    The settings must have been checked: `variables_from` names an app, without a cycle.
    """
    plain = dict(consumer.variables)
    document = _by_name(consumer.document_variables)
    secret = _by_name(consumer.secret_variables) if isinstance(consumer, App) else {}
    if consumer.variables_from is not None:
        own = plain.keys() | document.keys() | secret.keys()
        taken = merge(apps[consumer.variables_from], apps)
        plain = {name: value for name, value in taken.plain.items() if name not in own} | plain
        document = {name: key for name, key in taken.document.items() if name not in own} | document
        secret = {name: key for name, key in taken.secret.items() if name not in own} | secret
    return MergedVariables(plain, document, secret)


def _by_name(taken: Iterable[str | dict[str, str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for entry in taken:
        merged |= {entry: entry} if isinstance(entry, str) else entry
    return merged

"""Merges the variables of an app or job with those inherited from another app."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.settings.models import App, AppCommand, AppUrl, EnvironmentSettings, Variables


@dataclass(frozen=True)
class MergedVariables:
    """All variables of an app or job, by name; each has exactly one kind."""

    plain: dict[str, str | AppUrl] = field(default_factory=dict)
    document: dict[str, str] = field(default_factory=dict)
    """Maps variables that are plain on the platform to their keys in the secret document."""
    secret: dict[str, str] = field(default_factory=dict)
    """Maps variables that are secret on the platform to their keys in the secret document."""

    @property
    def document_keys(self) -> dict[str, str]:
        """Maps both kinds of variables to their keys in the secret document."""
        return self.document | self.secret


def merge(consumer: Variables, apps: Mapping[str, App]) -> MergedVariables:
    """Merges an app's or job's own variables with those it inherits; its own take precedence.

    Requires valid settings: `variables_from` is the key of an app, and there are no cycles.
    """
    plain = dict(consumer.variables)
    document = _by_name(consumer.document_variables)
    secret = _by_name(consumer.secret_variables) if isinstance(consumer, App) else {}
    if consumer.variables_from is not None:
        own = plain.keys() | document.keys() | secret.keys()
        inherited = merge(apps[consumer.variables_from], apps)
        plain = {name: value for name, value in inherited.plain.items() if name not in own} | plain
        document = {name: key for name, key in inherited.document.items() if name not in own} | document
        secret = {name: key for name, key in inherited.secret.items() if name not in own} | secret
    return MergedVariables(plain, document, secret)


def merge_command(app: App, command: AppCommand, apps: Mapping[str, App]) -> MergedVariables:
    """The variables of an app's command: the app's except the secret ones, and the command's own."""
    of_app, own = merge(app, apps), _by_name(command.document_variables)
    return MergedVariables(
        {name: value for name, value in of_app.plain.items() if name not in own}, of_app.document | own
    )


def variables_by_consumer(settings: EnvironmentSettings) -> dict[str, MergedVariables]:
    """The variables of every app and job, by names such as `app api` and `job sync`, and of the crash alerts.

    These are all consumers of the secret document. Requires valid settings, like `merge`.
    """
    consumers = {f"app {name}": merge(app, settings.apps) for name, app in settings.apps.items()}
    consumers |= {
        f"{command} command of {name}": merge_command(app, each, settings.apps)
        for name, app in settings.apps.items()
        for command, each in app.commands.items()
    }
    consumers |= {f"job {name}": merge(job, settings.apps) for name, job in settings.jobs.items()}
    if settings.crash_alerts is not None:
        consumers["snu:crashAlerts"] = MergedVariables(secret={"webhook": settings.crash_alerts.webhook})
    return consumers


def _by_name(entries: Iterable[str | dict[str, str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for entry in entries:
        merged |= {entry: entry} if isinstance(entry, str) else entry
    return merged

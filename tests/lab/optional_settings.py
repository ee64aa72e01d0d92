"""Every optional setting of a stack's file, found in the types, each with values that are not its default.

A setting that is added to `infra/settings/models.py` is found without a change here. Where its type does not say which
values are valid, `VALUES` has to, or `EXEMPT` has to say why no value is needed.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from infra.settings.models import EnvironmentSettings, FoundationSettings
from infra.settings.problems import keys_of, unwrap
from tests.support.seed import DOCUMENT, ORGANIZATION

ZONE = "local.snu.localhost"
SHARED = "shared"
"""An app with a host and variables, for others to refer to."""
OTHER = "other"
"""An image that no app is named after."""

Config = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """An optional setting."""

    path: str
    """`environment.apps.*.timeout`: a star for any name; the kind of a database is in parentheses."""
    field: FieldInfo

    @property
    def exempt(self) -> bool:
        return self.path not in VALUES and any(self.path == each or self.path.startswith(f"{each}.") for each in EXEMPT)

    def value(self, random: Random) -> Any:
        """A valid value other than the default. Raises LookupError if neither the type nor `VALUES` has one."""
        if self.path in VALUES:
            return VALUES[self.path](random)
        kind, metadata = unwrap(self.field.annotation, self.field.metadata)
        least, most = (
            [getattr(each, name) for each in metadata if isinstance(each, bound)]
            for bound, name in ((Ge, "ge"), (Le, "le"))
        )
        values: Iterable[Any] = ()
        if get_origin(kind) is Literal:
            values = get_args(kind)
        elif kind is bool:
            values = (True, False)
        elif kind is int and least and most:
            values = range(max(least), min(most) + 1)
        valid = TypeAdapter(Annotated[kind, *metadata] if metadata else kind)
        choices = list(values)
        random.shuffle(choices)
        for choice in choices:
            if choice != self.field.default and _is_valid(valid, choice):
                return choice
        raise LookupError(
            f"{self.path}: tests need a value that is not the default; add one to VALUES in "
            "tests/lab/optional_settings.py, or to EXEMPT the reason why they do not set and remove it"
        )


def _is_valid(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def optional_settings(model: type[BaseModel], path: str) -> Iterator[Setting]:
    """Those of a model and of the models in it.

    An object whose default is that of all its parts, and a mapping of objects, count by their parts.
    """
    for key, each in keys_of(model).items():
        here = f"{path}.{key}"
        if not each.is_required() and not _is_only_its_parts(each):
            yield Setting(here, each)
        for inside, inner in _models(here, each.annotation):
            yield from optional_settings(inner, inside)


def _is_only_its_parts(each: FieldInfo) -> bool:
    kind, _ = unwrap(each.annotation)
    if get_origin(kind) is dict:
        value, _ = unwrap(get_args(kind)[-1])
        return isinstance(value, type) and issubclass(value, BaseModel)
    return isinstance(each.default, BaseModel) and each.default == type(each.default)()


def _models(path: str, annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    kind, _ = unwrap(annotation)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        discriminator = kind.model_fields.get("kind")
        yield (f"{path}({get_args(discriminator.annotation)[0]})" if discriminator else path), kind
        return
    inner: tuple[Any, ...] = get_args(kind)
    if get_origin(kind) is dict:
        path, inner = f"{path}.*", inner[-1:]
    for argument in inner:
        yield from _models(path, argument)


def every_setting() -> list[Setting]:
    return [
        *optional_settings(EnvironmentSettings, "environment"),
        *optional_settings(FoundationSettings, "foundation"),
    ]


def covered(prefix: str = "") -> list[Setting]:
    """The settings below a path that tests set and remove."""
    return [setting for setting in every_setting() if setting.path.startswith(prefix) and not setting.exempt]


# --- values -----------------------------------------------------------------------------------------------


def _plain_keys(random: Random) -> list[str]:
    return random.sample(sorted(DOCUMENT)[::2], random.randint(1, 4))


def _secret_keys(random: Random) -> list[str]:
    """A variable is either plain or secret."""
    return random.sample(sorted(DOCUMENT)[1::2], random.randint(1, 2))


def _probe(random: Random) -> Config:
    return {"path": _path(random), "interval": random.randint(11, 60), "timeout": random.randint(2, 9)}


def _path(random: Random) -> str:
    return f"/path-{random.randrange(99)}"


def _words(random: Random) -> list[str]:
    return [f"word-{number}" for number in random.sample(range(99), random.randint(1, 3))]


def _variables(random: Random) -> Config:
    return {f"V{number}": f"value-{random.randrange(99)}" for number in range(random.randint(1, 3))}


VALUES: Mapping[str, Callable[[Random], Any]] = {
    "environment.zone": lambda _: ZONE,
    "environment.urlTemplate": lambda _: "http://{host}:81",
    "environment.apps.*.name": lambda random: f"n{random.getrandbits(40):x}",
    "environment.apps.*.variablesFrom": lambda _: SHARED,
    "environment.apps.*.variables": lambda random: {**_variables(random), "URL": {"url": SHARED}},
    "environment.apps.*.documentVariables": _plain_keys,
    "environment.apps.*.secretVariables": _secret_keys,
    "environment.apps.*.minScale": lambda _: 1,  # not above the default of maxScale
    "environment.apps.*.host": lambda random: f"h{random.getrandbits(40):x}.{ZONE}",
    "environment.apps.*.image": lambda _: OTHER,
    "environment.apps.*.livenessProbe": _probe,
    "environment.apps.*.livenessProbe.path": _path,
    "environment.apps.*.startupProbe": _probe,
    "environment.apps.*.startupProbe.path": _path,
    "environment.apps.*.versionPath": _path,
    "environment.jobs.*.variablesFrom": lambda _: SHARED,
    "environment.jobs.*.variables": _variables,
    "environment.jobs.*.documentVariables": _plain_keys,
    "environment.jobs.*.name": lambda random: f"job_{random.getrandbits(40):x}",
    "environment.jobs.*.command": _words,
    "environment.jobs.*.args": _words,
    "environment.jobs.*.schedule": lambda random: {"cron": f"{random.randrange(60)} 5 * * *"},
    "environment.jobs.*.schedule.timezone": lambda random: random.choice(["UTC", "Europe/Rome", "America/Cayenne"]),
    "environment.crashAlerts.image": lambda _: OTHER,
    "environment.crashAlerts.intervalMinutes": lambda _: 10,
    "foundation.project.description": lambda _: "Described",
    "foundation.environments.*.database(serverless).minCpu": lambda _: 1,  # not above the default of maxCpu
    "foundation.environments.*.formerDatabase": lambda _: {"kind": "serverless"},
    "foundation.environments.*.secret.initial": lambda _: {"secret": "snu-local"},
    "foundation.zone": lambda _: ZONE,
    "foundation.apiKeysExpireOn": lambda random: f"2099-01-{random.randint(10, 31)}",
    "foundation.deploy.readRegistriesOf": lambda _: [ORGANIZATION],
    "foundation.observability.alertEmails": lambda random: [f"{name}@snu.localhost" for name in _words(random)],
    "foundation.objectStorage": lambda _: "http://127.0.0.1:1",
}
"""By path, a valid value that is not the default."""

_COMMANDS = "only commands and policies read it"
EXEMPT: Mapping[str, str] = {
    "environment.plans": _COMMANDS,
    "environment.policies": _COMMANDS,
    "environment.state": _COMMANDS,
    "environment.previews": _COMMANDS,
    "environment.promoteFrom": _COMMANDS,
    "foundation.plans": _COMMANDS,
    "foundation.policies": _COMMANDS,
    "foundation.state": _COMMANDS,
    "foundation.drift": _COMMANDS,
    "foundation.containerMemoryQuota": "only warnings read it",
    "environment.protect": "as in a foundation",
    "environment.environment.previewOf": "it makes the stack another environment",
    "environment.apps.*.release": "it needs a key from the foundation; tests/flows/test_commands.py",
    "environment.apps.*.seed": "as release",
    "environment.apps.*.renamedFrom": "the former key is gone by then",
    "environment.jobs.*.renamedFrom": "the former key is gone by then",
    "environment.crashAlerts": "removing it deletes the job",
    "foundation.environments.*.database(instance)": "these stacks have no instance",
    "foundation.databasePasswords": "these stacks have no instance",
    "foundation.environments.*.formerDatabase(serverless)": "as in a `database` of this kind",
    "foundation.environments.*.formerDatabase(instance)": "as in a `database` of this kind",
    "foundation.environments.*.secret.initial.project": "read once, when the document is made",
}
"""By path, with all that is inside it: why it is not set and removed."""

_REQUIRED: Mapping[str, Config] = {"environment.jobs.*.schedule": {"cron": "0 4 * * *"}}
"""By path of an optional object, what has to be in it."""


def put(config: Config, keys: Iterable[str], value: Any) -> None:
    """Set a value in nested mappings, which are made as needed."""
    *parents, last = keys
    for parent in parents:
        config = config.setdefault(parent, {})
    config[last] = value


# --- apps and jobs that lose settings -----------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An app or job before and after settings were removed from it."""

    kind: str
    """`apps` or `jobs`."""
    name: str
    before: Config
    after: Config
    count: int
    """How many settings it loses."""
    is_live: bool = True
    """Whether a live resource has at least one of them."""

    @property
    def twin(self) -> str:
        """The name of the app or job that has never been anything but what this one is afterwards."""
        settings = f"{self.kind} {json.dumps(self.after, sort_keys=True)}"
        return f"twin-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"


_BASE: Mapping[str, Config] = {
    "apps": {"cpu": 1000, "memory": 1024},
    "jobs": {"cpu": 1000, "memory": 1024, "timeout": 600, "image": OTHER},
}
_DEPTH = 3
"""Dots in the path of an app's or job's own settings."""
_NOT_LIVE = frozenset({"environment.apps.*.versionPath"})
_ALONE = frozenset({"environment.apps.*.host"})
"""Removed alone only: a host is two more resources."""


def cases(random: Random, count: int) -> list[Case]:
    """Removals of at least so many settings: each one alone, variables that become secret, and any together."""
    made: list[Case] = []
    for kind in _BASE:
        for setting in _of(kind):
            made.append(_removal(kind, _name(made), [setting], random))
    for kept in (False, True):
        made.append(_move_to_secret(_name(made), random, kept))
    while sum(case.count for case in made) < count:
        kind = random.choice(sorted(_BASE))
        whole = [each for each in _of(kind) if each.path.count(".") == _DEPTH and each.path not in _ALONE]
        chosen = random.sample(whole, random.randint(len(whole) * 2 // 3, len(whole)))
        made.append(_removal(kind, _name(made), chosen, random))
    return made


def _name(made: Sequence[Case]) -> str:
    return f"case-{len(made):04}"


def _removal(kind: str, name: str, settings: Sequence[Setting], random: Random) -> Case:
    after = copy.deepcopy(_BASE[kind])
    for setting in settings:
        parent, _, _ = setting.path.rpartition(".")
        if parent.count(".") == _DEPTH:
            put(after, [parent.rpartition(".")[2]], copy.deepcopy(_REQUIRED.get(parent, {})))
    before = copy.deepcopy(after)
    for setting in settings:
        put(before, setting.path.split(".")[_DEPTH:], setting.value(random))
    is_live = any(setting.path not in _NOT_LIVE for setting in settings)
    return Case(kind, name, before, after, len(settings), is_live)


def _move_to_secret(name: str, random: Random, kept: bool) -> Case:
    """Plain variables that become secret ones; all of them, or with others that stay plain."""
    names = _plain_keys(random)
    base = {**_BASE["apps"], **({"variables": {"KEPT": "kept"}} if kept else {})}
    return Case("apps", name, {**base, "documentVariables": names}, {**base, "secretVariables": names}, len(names))


def _of(kind: str) -> list[Setting]:
    return covered(f"environment.{kind}.*.")

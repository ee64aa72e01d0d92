"""Checks that involve several settings, which types cannot express.

They read raw values instead of models and skip values of the wrong type, so their problems are reported along with
pydantic's.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra import naming
from infra.settings.models import CrashAlertsSettings, EnvironmentSettings
from infra.settings.problems import MISSING, Problem
from infra.settings.variables import merge
from scaleway_facts import limits as scaleway

Finding = Callable[[str, str, str], Problem]
"""Creates a problem from a key, the value found and the allowed values."""


def check_environment(raw: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    """Checks the settings of the `environment` blueprint."""
    apps = _tables(raw.get("apps"))
    runnables = {f"snu:apps.{name}": table for name, table in apps.items()} | {
        f"snu:jobs.{name}": table for name, table in _tables(raw.get("jobs")).items()
    }
    yield from _check_names(raw, apps, finding)
    yield from _check_renamed(raw, finding)
    yield from _check_hosts(apps, finding)
    yield from _check_scaling(apps, finding)
    yield from _check_memory(apps, finding)
    yield from _check_cycles(apps, finding)
    known_images = _table(raw.get("images"))
    yield from _check_promoted(raw, known_images, finding)
    yield from _check_alerts(raw, known_images, finding)
    yield from _check_commands(raw, apps, finding)
    for key, table in runnables.items():
        if isinstance(raw.get("images"), Mapping):
            yield from _check_image(key, table, known_images, finding)
        yield from _check_references(key, table, apps, finding)
        yield from _check_duplicates(key, table, finding)


def images_in_use(raw: Mapping[str, Any]) -> list[str]:
    """The names of the images that apps, jobs and crash alerts run."""
    apps, jobs, alerts = _tables(raw.get("apps")), _tables(raw.get("jobs")), raw.get("crashAlerts")
    named = [app.get("image", name) for name, app in apps.items()] + [job.get("image") for job in jobs.values()]
    named += [_alerts_image(alerts)] if alerts is not None else []
    return sorted({name for name in named if isinstance(name, str)})


def check_foundation(raw: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    """Checks the settings of the `foundation` blueprint."""
    environments = _tables(raw.get("environments"))
    passwords = _table(raw.get("databasePasswords"))
    for name, environment in environments.items():
        key, database = f"snu:environments.{name}.database", _table(environment.get("database"))
        former = _table(environment.get("formerDatabase"))
        former_kind = former.get("kind")
        if former_kind is not None and database.get("kind") in ("serverless", "instance"):
            yield finding(
                f"{key.removesuffix('database')}formerDatabase",
                f"`{former_kind}`",
                "only with a `database` of kind `bucket`",
            )
        if "instance" in (database.get("kind"), former_kind) and name not in passwords:
            yield finding(f"snu:databasePasswords.{name}", MISSING, "the passwords of the database instance")
        yield from _check_reachable(key, database, finding)
        yield from _check_reachable(f"{key.removesuffix('database')}formerDatabase", former, finding)
        least, most = database.get("minCpu", 0), database.get("maxCpu", 1)
        if _is_number(least) and _is_number(most) and least > most:
            yield finding(f"{key}.minCpu", f"`{least}`", f"at most maxCpu, which is {most}")
    for name in passwords.keys() - environments.keys():
        yield finding(f"snu:databasePasswords.{name}", "an unknown environment", _one_of(environments))


def _check_reachable(key: str, database: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    """Checks that an instance has either a public endpoint restricted to certain networks, or a private endpoint."""
    if database.get("kind") != "instance":
        return
    if database.get("privateNetwork") is None:
        if database.get("allowedRanges") in (None, []):
            yield finding(f"{key}.allowedRanges", MISSING, "the networks that may connect, or set `privateNetwork`")
        return
    for public in ("allowedRanges", "openForRuns"):
        if database.get(public):
            yield finding(f"{key}.{public}", "a value", "only without `privateNetwork`")


def check_provider(raw: Mapping[str, str], finding: Finding) -> Iterator[Problem]:
    """Checks the provider settings, with keys that omit `scaleway:`. Requires valid settings."""
    region, zone = raw.get("region"), raw.get("zone")
    if region and zone and not zone.startswith(f"{region}-"):
        yield finding("scaleway:zone", f"`{zone}`", f"a zone in the region `{region}`, like `{region}-1`")


def check_foundation_file(environment: Any, project: Path, finding: Finding) -> Iterator[Problem]:
    """Checks that an environment's foundation has a stack file; `environment` is the raw setting."""
    foundation = _table(environment).get("foundation")
    if not isinstance(foundation, str) or not (project / "Pulumi.yaml").is_file():
        return
    if not (project / f"Pulumi.{foundation}.yaml").is_file():
        known = {path.name.split(".")[1]: None for path in sorted(project.glob("Pulumi.foundation*.yaml"))}
        found = f"`{foundation}`, but Pulumi.{foundation}.yaml does not exist"
        yield finding("snu:environment.foundation", found, _one_of(known))


def check_variable_counts(settings: EnvironmentSettings, finding: Finding) -> Iterator[Problem]:
    """Checks the number of variables, including inherited ones. Requires valid settings."""
    for name, app in settings.apps.items():
        merged = merge(app, settings.apps)
        for kind, count, limit in (
            ("plain", len(merged.plain) + len(merged.document), scaleway.VARIABLES),
            ("secret", len(merged.secret), scaleway.SECRET_VARIABLES),
        ):
            if not limit.allows(count):
                yield finding(f"snu:apps.{name}", f"{count} {kind} variables", f"at most {limit.most}")


def _check_promoted(raw: Mapping[str, Any], images: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    if raw.get("promoteFrom") is not None:
        for name, image in images.items():
            if image == "build":
                yield finding(
                    f"snu:images.{name}", "`build`", f"a version and digest promoted from {raw['promoteFrom']}"
                )


def _check_alerts(raw: Mapping[str, Any], images: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    alerts = raw.get("crashAlerts")
    if alerts is None:
        return
    if _table(raw.get("environment")).get("previewOf") is not None:
        yield finding("snu:crashAlerts", "crash alerts", "no crash alerts: a preview environment cannot read its logs")
    image = _alerts_image(alerts)
    if isinstance(image, str) and image not in images:
        yield finding("snu:crashAlerts.image", f"`{image}`, which is not in snu:images", _one_of(images))
    if naming.ALERTS_JOB in _table(raw.get("jobs")):
        yield finding(
            f"snu:jobs.{naming.ALERTS_JOB}", "the key of the job that snu:crashAlerts creates", "a different key"
        )


def _check_commands(raw: Mapping[str, Any], apps: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    jobs, identity = _tables(raw.get("jobs")), _table(raw.get("environment"))
    for app, table in apps.items():
        if table.get("seed") is not None and identity.get("previewOf") is None:
            allowed = "only in preview environments: seeding would change an environment's data"
            yield finding(f"snu:apps.{app}.seed", "a seed command", allowed)
        for command in ("release", "seed"):
            key = naming.command_job(app, command)
            if table.get(command) is None:
                continue
            if key in jobs:
                yield finding(f"snu:jobs.{key}", f"the key of the job for snu:apps.{app}.{command}", "a different key")
            if isinstance(name := identity.get("name"), str):
                job = naming.job(name, key)
                for other, settings in jobs.items():
                    if other != key and settings.get("name", naming.job(name, other)) == job:
                        found = f"`{job}`, the name of the job for snu:apps.{app}.{command}"
                        yield finding(f"snu:jobs.{other}.name", found, "a different name")


def _alerts_image(alerts: Any) -> Any:
    return _table(alerts).get("image", CrashAlertsSettings.model_fields["image"].default)


def _check_names(raw: Mapping[str, Any], apps: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    environment = _table(raw.get("environment")).get("name")
    if not isinstance(environment, str):
        return
    shares_namespace = _table(raw.get("environment")).get("previewOf") is not None
    owners: dict[str, str] = {}
    for app, table in apps.items():
        given = table.get("name")
        name = given if isinstance(given, str) else naming.container(environment, app)
        if given is None and not scaleway.CONTAINER_NAME.allows(len(name)):
            yield finding(
                f"snu:apps.{app}",
                f"the container name `{name}` ({len(name)} characters)",
                f"at most {scaleway.CONTAINER_NAME.most} characters for `<environment>-<app>`; or set a shorter `name`",
            )
        if given is not None and shares_namespace:
            yield finding(f"snu:apps.{app}.name", f"`{given}`", "no `name`: a preview environment shares its namespace")
        if owners.setdefault(name, app) != app:
            key = f"snu:apps.{app}" + (".name" if given is not None else "")
            yield finding(key, f"`{name}`, the container name of snu:apps.{owners[name]}", "a unique container name")


def _check_renamed(raw: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    for setting in ("apps", "jobs"):
        tables = _tables(raw.get(setting))
        successors: dict[str, str] = {}
        for name, table in tables.items():
            former = table.get("renamedFrom")
            if not isinstance(former, str):
                continue
            key = f"snu:{setting}.{name}.renamedFrom"
            if former in tables:
                yield finding(key, f"`{former}`, which is still in snu:{setting}", "a key that has been removed")
            elif successors.setdefault(former, name) != name:
                duplicate = f"`{former}`, which is also set in snu:{setting}.{successors[former]}"
                yield finding(key, duplicate, "each former key only once")


def _check_hosts(apps: Mapping[str, Mapping[str, Any]], finding: Finding) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, app in apps.items():
        host = app.get("host")
        if isinstance(host, str) and owners.setdefault(host, name) != name:
            key = f"snu:apps.{name}.host"
            yield finding(key, f"`{host}`, the host of snu:apps.{owners[host]}", "a unique host")


def _check_scaling(apps: Mapping[str, Mapping[str, Any]], finding: Finding) -> Iterator[Problem]:
    for name, app in apps.items():
        least, most = app.get("minScale", 0), app.get("maxScale", 1)
        if _is_number(least) and _is_number(most) and least > most:
            yield finding(f"snu:apps.{name}.minScale", f"`{least}`", f"at most maxScale, which is {most}")


def _check_memory(apps: Mapping[str, Mapping[str, Any]], finding: Finding) -> Iterator[Problem]:
    """Checks the memory if Scaleway documents a range for exactly this CPU limit."""
    for name, app in apps.items():
        cpu, memory = app.get("cpu"), app.get("memory")
        if not isinstance(cpu, int) or not isinstance(memory, int):
            continue
        limit = scaleway.MEMORY_BY_CPU.get(cpu)
        if limit and scaleway.MEMORY.allows(memory) and not limit.allows(memory):
            yield finding(f"snu:apps.{name}.memory", f"`{memory}`", f"{limit.range} (MB) with a cpu of {cpu}")


def _check_cycles(apps: Mapping[str, Mapping[str, Any]], finding: Finding) -> Iterator[Problem]:
    reported: set[str] = set()
    for name in apps:
        chain = [name]
        while (source := str(apps[chain[-1]].get("variablesFrom"))) in apps:
            if source in chain:
                if source == name and not reported & set(chain):
                    reported.update(chain)
                    path = " -> ".join([*chain, source])
                    yield finding(f"snu:apps.{name}.variablesFrom", f"the cycle {path}", "no cycles")
                break
            chain.append(source)


def _check_image(key: str, table: Mapping[str, Any], images: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    named = table.get("image")
    if isinstance(named, str):
        if named not in images:
            yield finding(f"{key}.image", f"`{named}`, which is not in snu:images", _one_of(images))
    elif named is None and key.startswith("snu:apps."):
        own = key.removeprefix("snu:apps.")
        if own not in images:
            allowed = f"its version and digest; or set {key}.image to another image"
            yield finding(f"snu:images.{own}", f"{MISSING}, but {key} runs it", allowed)


def _check_references(
    key: str, table: Mapping[str, Any], apps: Mapping[str, Mapping[str, Any]], finding: Finding
) -> Iterator[Problem]:
    source = table.get("variablesFrom")
    if isinstance(source, str) and source not in apps:
        yield finding(f"{key}.variablesFrom", f"the unknown app `{source}`", _one_of(apps))
    for name, value in _table(table.get("variables")).items():
        target = _table(value).get("url")
        if not isinstance(target, str):
            continue
        spot = f"{key}.variables.{name}.url"
        if target not in apps:
            yield finding(spot, f"the unknown app `{target}`", _one_of(apps))
        elif not apps[target].get("host"):
            yield finding(spot, f"`{target}`, an app without a `host`", "an app with a `host`")


def _check_duplicates(key: str, table: Mapping[str, Any], finding: Finding) -> Iterator[Problem]:
    seen: dict[str, str] = dict.fromkeys(_table(table.get("variables")), "variables")
    for field in ("documentVariables", "secretVariables"):
        taken = table.get(field)
        for index, entry in enumerate(taken if isinstance(taken, list) else []):
            for name in _table(entry) or ([entry] if isinstance(entry, str) else []):
                if name in seen:
                    spot = f"{key}.{field}[{index}]"
                    yield finding(spot, f"`{name}`, which is also in {seen[name]}", "each variable only once")
                seen.setdefault(name, field)


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: Any) -> dict[str, Mapping[str, Any]]:
    return {name: _table(entry) for name, entry in _table(value).items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_of(names: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none (nothing is declared)"

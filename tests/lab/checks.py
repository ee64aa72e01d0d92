"""What holds after any run: of the state, of the cloud, and of what the user sees."""

from __future__ import annotations

from collections import Counter

from tests.lab.lab import Lab, Run


def check_state(lab: Lab, stack: str, *pending: str) -> None:
    """The state is complete in itself: references lead back to what stands before, nothing secret can be read.

    ``pending``: names of resources whose creation may have been carried out.
    """
    text = lab.state_file(stack).read_text()
    state = lab.state(stack)
    known: set[str] = set()
    for resource in state.get("resources", []):
        references = [resource.get("parent"), *resource.get("dependencies", ())]
        references += [urn for urns in resource.get("propertyDependencies", {}).values() for urn in urns or ()]
        missing = {urn for urn in references if urn} - known
        assert not missing, f"{resource['urn']} stands before {missing}"
        provider = resource.get("provider", "")
        assert not provider or provider.rpartition("::")[0] in known, f"{resource['urn']} stands before its provider"
        assert resource["urn"] not in known, f"{resource['urn']} is in the state twice"
        known.add(resource["urn"])
    found = [
        (operation["type"], operation["resource"]["urn"].rpartition("::")[2])
        for operation in state.get("pending_operations", ())
    ]
    assert found == [("creating", name) for name in pending]
    for secret in ("fake-mongo-url", "fake-sendinbluekey"):
        assert secret not in text, f"the state of {stack} has {secret} in clear"


def check_no_duplicates(lab: Lab) -> None:
    """Nothing that has a name is there twice in one place."""
    for kind, fields in {
        "containers.namespace": ("project_id", "name"),
        "containers.container": ("namespace_id", "name"),
        "containers.domain": ("hostname",),
        "domain.record": ("zone", "name", "type"),
        "serverless_jobs.definition": ("project_id", "name"),
    }.items():
        count = Counter(tuple(str(resource.get(field)) for field in fields) for resource in lab.resources(kind))
        assert not [names for names, number in count.items() if number > 1], kind


def check_clear(run: Run, *says: str) -> None:
    """The user gets a message without internal details."""
    text = run.stdout + run.stderr
    for words in says:
        assert words in text, text
    for inside in ("Traceback", "httpx", "httpcore", "RemoteProtocolError", "fake-mongo-url"):
        assert inside not in text, text

"""How the command ends, for scripts and CI. Codes below 10 mean what they mean in the Pulumi CLI."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of ``snu``; ``docs/reference/commands.md`` shows the same table."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "done; a preview ends so with or without changes"
    FAILED = 1, "the operation was started and did not succeed"
    USAGE = 2, "a wrong command, option or stack name, or a question that nobody is there to answer"
    CHANGES = 7, "there are changes, and `--expect-no-changes` was given"
    CANCELLED = 8, "stopped by Ctrl-C or by the answer to a question"
    SETTINGS = 10, "the stack's file is refused; nothing was changed"
    LOCAL_CLOUD = 11, "the local Scaleway does not run, does not start, or its port is taken"
    CONTAINERS = 12, "the resources are there, but a container is in error or did not become ready in time"
    ENGINE = 13, "no engine for this stack: the Pulumi CLI is missing, or the embedded engine refuses the stack"
    ENVIRONMENT = 14, "the environment lacks where a stack's state is kept, its secrets' passphrase, or GitHub's token"
    INTERRUPTED = 15, "an earlier run was interrupted, or has overwritten a newer state: run `scripts/snu recover`"
    REFUSED = (
        16,
        "refused: a plan that is not valid or not as planned, a run that another one has overtaken, or a foundation in "
        "use; nothing was changed",
    )
    PART_WAY = 17, "the apply was stopped before an operation that was not in the plan; what was done is said"
    LOCKED = (
        18,
        "the stack is locked and nothing was changed; or this run lost its lock, and was cancelled",
    )
    NOT_WANTED = 19, "there is to be no preview environment: closed, a fork, `no-ci`, or without the label"
    DRIFT = 20, "the cloud is not as the last update left it: `scripts/snu drift` says what differs"
    POLICY = 21, "a resource violates a policy, and the stack's settings do not exempt it; nothing was changed"
    NOT_ACCEPTED = 22, "what is to be adopted differs in a way that no entry of the list accepts; nothing was changed"
    ALERTS_SILENT = 23, "crash alerts: no good run for three intervals, none ever, or nothing of them can be seen"
    NOT_READY = 24, "`scripts/snu doctor` found that something is missing for a release"
    INCOMPLETE = 25, "not all of it could be looked at: what could is shown, and why the rest could not"

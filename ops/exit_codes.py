"""Exit codes of ``snu``. Codes below 10 have the same meaning in the Pulumi CLI."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """An exit code with its meaning; ``docs/reference/commands.md`` contains the same table."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "success, including a preview with changes"
    FAILED = 1, "the operation started but failed"
    USAGE = (
        2,
        "the command, an option or the stack name is invalid, or confirmation was required but there was no terminal",
    )
    CHANGES = 7, "there are changes and `--expect-no-changes` was given"
    CANCELLED = 8, "cancelled with Ctrl-C or at a prompt"
    SETTINGS = 10, "the stack's file is invalid; nothing was changed"
    LOCAL_CLOUD = 11, "the local Scaleway is not running or fails to start, or its port is in use"
    CONTAINERS = 12, "a container failed or did not become ready in time; other changes may have been applied"
    ENGINE = (
        13,
        "no engine for this stack: the Pulumi CLI is missing, or the embedded engine does not support the stack",
    )
    ENVIRONMENT = 14, "the state backend URL, the secrets passphrase or the GitHub token is not configured"
    INTERRUPTED = 15, "an earlier run was interrupted or overwrote a newer state: run `scripts/snu recover`"
    REFUSED = (
        16,
        "refused because the plan is invalid or outdated, a newer run has superseded this one, the secret document has "
        "changed in the meantime, or the foundation is in use; nothing was changed",
    )
    PART_WAY = 17, "the apply stopped before an operation that is not in the plan; the message lists what was done"
    LOCKED = (
        18,
        "the stack is locked and nothing was changed, or this run lost its lock and was cancelled",
    )
    NOT_WANTED = (
        19,
        "the pull request is not eligible for a preview environment: it is closed, comes from a fork, is marked "
        "`no-ci`, or lacks the label",
    )
    DRIFT = 20, "resources have drifted since the last update: `scripts/snu drift` lists them"
    POLICY = 21, "a resource violates a policy and has no exemption; nothing was changed"
    NOT_ACCEPTED = 22, "a resource to adopt has differences that are not accepted; nothing was changed"
    ALERTS_SILENT = 23, "crash alerts are silent: no run succeeded within three intervals, or their status is unknown"
    NOT_READY = 24, "`scripts/snu doctor` found something wrong"
    INCOMPLETE = (
        25,
        "some stacks or resources could not be read, or a check of `scripts/snu doctor` is unknown; the output lists "
        "them with the reasons",
    )
    JOB_UNFINISHED = 26, "the job did not end within `--timeout`; its run continues"

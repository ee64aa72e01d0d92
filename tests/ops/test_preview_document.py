"""The JSON document of a preview, held against what the Pulumi CLI prints."""

from __future__ import annotations

from ops.preview_document import PreviewDocument
from tests.ops.events import CONTAINER, STACK, diagnostic, metadata, step, summary


def test_the_document_has_pulumis_fields() -> None:
    document = PreviewDocument()
    update = step(
        "update",
        CONTAINER,
        {"a": 1},
        {"a": 2},
        diffs=["a"],
        detailedDiff={"a": {"diffKind": "update", "inputDiff": True}},
    )
    events = [
        {"preludeEvent": {"config": {"snu:zone": "z"}}},
        *step("same", STACK, {}, {}),
        *update,
        diagnostic("warning", "<{%fg 3%}>beware<{%reset%}>", CONTAINER),
        diagnostic("debug", "noise"),
        summary(same=1, update=1),
    ]
    for event in events:
        document.on_event(event)
    found = document.as_dict()
    assert list(found) == ["config", "steps", "diagnostics", "duration", "changeSummary"]
    assert found["duration"] > 0
    assert found["changeSummary"] == {"same": 1, "update": 1}
    assert found["diagnostics"] == [{"urn": CONTAINER, "message": "beware", "severity": "warning"}]
    assert [item["op"] for item in found["steps"]] == ["same", "update"]
    assert found["steps"][1] == {
        "op": "update",
        "urn": CONTAINER,
        "oldState": found["steps"][1]["oldState"],
        "newState": found["steps"][1]["newState"],
        "diffReasons": ["a"],
        "detailedDiff": {"a": {"kind": "update", "inputDiff": True}},
    }
    assert found["steps"][1]["newState"]["inputs"] == {"a": 2}


def test_unchanged_resources_are_left_out_unless_their_protection_changes() -> None:
    document = PreviewDocument()
    document.on_event({"resourcePreEvent": {"metadata": metadata("same", CONTAINER, {}, {})}})
    assert "steps" not in document.as_dict()
    changed = metadata("same", CONTAINER, {}, {}, old_state={"protect": True})
    document.on_event({"resourcePreEvent": {"metadata": changed}})
    assert len(document.as_dict()["steps"]) == 1

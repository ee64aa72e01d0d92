"""Plans as Markdown: what they say, and that nothing in a plan can break them."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ops.engines.base import EngineEvent
from ops.operation_record import OperationRecord
from ops.report.markdown import COMMENT_LIMIT, LIMIT, SHORTEST_LIMIT, code, plan_markdown
from ops.report.text import safe
from tests.ops.events import APP, CONTAINER, STACK, UNKNOWN, diagnostic, step, summary

DOMAIN = "scaleway:containers/domain:Domain"
HOSTILE = [
    "```\n@everyone",
    "</code></details><img src=x onerror=alert(1)>",
    "<!-- snu:plan:stage -->",
    "a|b\n\n# heading",
    "\u202egnp.exe\u200b\x1b[31m\ufeff\u2028",
    "`x` ``y`` @alice #12 owner/repo#3",
    "[link](https://example.org) ![i](https://example.org/i.png)",
    "- [ ] task\n> quote\n    code",
]


def recorded(*events: EngineEvent | list[EngineEvent]) -> OperationRecord:
    record = OperationRecord()
    for event in events:
        for each in event if isinstance(event, list) else [event]:
            record.add(each)
    return record


def metadata(op: str, name: str, old: Any, new: Any, **more: Any) -> EngineEvent:
    """A step on a domain of any name."""
    urn = f"urn:pulumi:stage::snu::{DOMAIN}::{name}"

    def state(inputs: Any) -> dict[str, Any] | None:
        return None if inputs is None else {"type": DOMAIN, "urn": urn, "inputs": inputs, "custom": True}

    body = {"op": op, "urn": urn, "type": DOMAIN, "old": state(old), "new": state(new)} | more
    return {"resourcePreEvent": {"metadata": body}}


def test_no_change_is_one_line() -> None:
    record = recorded(step("same", STACK, {}, {}), summary(same=26))
    assert plan_markdown(record, stack="stage") == "**Preview of `stage`**: no change, 26 resources unchanged"
    assert plan_markdown(record, stack="stage", title="Plan of", digest="sha256:0123456789abcdef") == (
        "**Plan of `stage`**: no change, 26 resources unchanged, plan `0123456789ab`"
    )


def test_what_is_lost_stands_first_and_says_why() -> None:
    record = recorded(
        step("same", STACK, {}, {}),
        step("create", APP, None, {}),
        step(
            "update",
            CONTAINER,
            {"memory": 1, "secretEnvironmentVariables": {"A": "[secret]"}},
            {"memory": 2, "secretEnvironmentVariables": {"A": "[secret]"}, "image": UNKNOWN},
            detailedDiff={
                "memory": {"diffKind": "update", "inputDiff": True},
                "secretEnvironmentVariables.A": {"diffKind": "update", "inputDiff": True},
                "image": {"diffKind": "add", "inputDiff": True},
            },
        ),
        metadata("replace", "api-domain", {"hostname": "a"}, {"hostname": "b"}, keys=["hostname"], diffs=["hostname"]),
        metadata("delete", "old-domain", {"hostname": "x"}, None),
        summary(same=1, create=1, update=1, replace=1, delete=1),
    )
    assert plan_markdown(record, stack="stage", title="Plan of", digest="0123456789abcdef") == (
        "### Plan of `stage`: 1 to delete, 1 to replace, 1 to update, 1 to create, 1 unchanged\n"
        "\n"
        "Plan `0123456789ab`\n"
        "\n"
        "**To delete: 1**\n"
        "\n"
        "- `old-domain` · `scaleway:containers:Domain`\n"
        "\n"
        "**To replace: 1**\n"
        "\n"
        "- `api-domain` · `scaleway:containers:Domain`, because of `hostname`\n"
        "\n"
        "```diff\n"
        '- hostname: "a"\n'
        '+ hostname: "b"  (replaces the resource)\n'
        "```\n"
        "\n"
        "**To update: 1**\n"
        "\n"
        "- `api-container` · `scaleway:containers:Container`\n"
        "\n"
        "```diff\n"
        "+ image: output<string>\n"
        "- memory: 1\n"
        "+ memory: 2\n"
        "! secretEnvironmentVariables.A: [secret], changed\n"
        "```\n"
        "\n"
        "**To create: 1**\n"
        "\n"
        "- `api` · `snu:index:ContainerApp`"
    )


def test_long_parts_are_folded_but_never_what_is_lost() -> None:
    many = {f"k{number}": 0 for number in range(20)}
    record = recorded(
        metadata("update", "a", many, dict.fromkeys(many, 1)),
        metadata("replace", "b", many, dict.fromkeys(many, 1), keys=["k1"]),
        *(metadata("delete", f"d{number}", {}, None) for number in range(20)),
        *(metadata("create", f"c{number}", None, {}) for number in range(20)),
        summary(update=1),
    )
    text = plan_markdown(record, stack="stage")
    assert text.index("`d19`") < text.index("`b`") < text.index("<details>")
    assert text.count("<details>") == 2
    assert (
        "<details><summary><code>a</code> · <code>scaleway:containers:Domain</code>: 20 properties</summary>\n\n```diff"
        in text
    )
    assert "<details><summary>20 resources</summary>\n\n- `c0` · " in text
    assert (
        plan_markdown(
            OperationRecord(steps=dict(reversed(record.steps.items())), summary=record.summary), stack="stage"
        )
        == text
    )


def test_what_a_changed_resource_announces_is_shown_after_the_warnings() -> None:
    """Such as a release command; without a change, it is not worth a word."""
    said = (
        diagnostic("info", "would run the release command of api: npm run migrate", CONTAINER),
        diagnostic("info", "from the program"),
        diagnostic("info#err", "printed", CONTAINER),
        diagnostic("warning", "beware", CONTAINER),
    )
    text = plan_markdown(recorded(step("create", APP, None, {}), *said, summary(create=1)), stack="stage")
    announced = "    info: api-container: would run the release command of api: npm run migrate\n"
    assert f"```text\n    warning: api-container: beware\n{announced}```" in text
    assert "from the program" not in text
    assert "printed" not in text
    unchanged = recorded(step("same", APP, {}, {}), said[0], summary(same=1))
    assert plan_markdown(unchanged, stack="stage") == "**Preview of `stage`**: no change, 1 resource unchanged"


def test_protection_outputs_and_warnings_are_changes_worth_a_word() -> None:
    record = recorded(
        step("same", STACK, {}, {}, old_state={"outputs": {"url": "a"}}, new_state={"outputs": {"url": "b"}}),
        step("same", CONTAINER, {"name": "api"}, {"name": "api"}, old_state={"protect": True}),
        diagnostic("warning", "beware\n```\nof dogs", CONTAINER),
        summary(same=2),
    )
    text = plan_markdown(record, stack="stage")
    assert text.startswith(
        "### Preview of `stage`: 1 to protect or unprotect, 1 changed in outputs, 2 unchanged\n\n"
        "```text\n    warning: api-container: beware\n      ```\n      of dogs\n```\n"
    )
    assert "- protect: true\n+ protect: false\n" in text
    assert '- url: "a"\n+ url: "b"\n' in text


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([summary("failed")], "failed: no change"),
        ([], "stopped before it was complete"),
        ([summary("canceled", same=3)], "cancelled: 3 unchanged"),
    ],
)
def test_a_preview_that_did_not_succeed_says_so(events: list[EngineEvent], says: str) -> None:
    assert says in plan_markdown(recorded(*events), stack="stage").splitlines()[0]


def test_the_order_in_which_diagnostics_came_does_not_matter() -> None:
    said = [
        diagnostic("warning", "deprecated", CONTAINER),
        diagnostic("warning", "deprecated", APP),
        diagnostic("warning", "another", APP),
        diagnostic("error", "refused", CONTAINER),
    ]
    texts = {plan_markdown(recorded(*order, summary()), stack="stage") for order in itertools.permutations(said)}
    (text,) = texts
    assert text.index("error: ") < text.index("warning: ")


def test_long_values_that_begin_alike_show_where_they_differ() -> None:
    old, new = "x" * 500 + "OLD" + "y" * 50, "x" * 500 + "NEW" + "y" * 50
    text = plan_markdown(recorded(metadata("update", "a", {"v": old}, {"v": new}), summary(update=1)), stack="s")
    assert "OLD" in text
    assert "NEW" in text
    assert "x" * 300 not in text


def test_deletions_are_cut_last_and_counted() -> None:
    long = {f"k{number}": "v" * 150 for number in range(50)}
    record = recorded(
        *(metadata("create", f"c{number}", None, {}) for number in range(200)),
        *(metadata("update", f"u{number}", long, dict.fromkeys(long, "w" * 150)) for number in range(50)),
        *(metadata("delete", f"d{number}", {}, None) for number in range(40)),
        summary(update=1),
    )
    text = plan_markdown(record, stack="stage", limit=14_000)
    assert len(text) <= 14_000
    assert all(f"`d{number}`" in text for number in range(40))
    assert "`u0`" in text
    cut = [line for line in text.splitlines() if line.startswith("… and ")]
    assert any("more resources, " in line and line.endswith("more properties") for line in cut)
    assert any(line.endswith("more resources") for line in cut)


def test_the_limit_leaves_room_for_a_marker() -> None:
    assert 0 < COMMENT_LIMIT - LIMIT < 1000
    with pytest.raises(ValueError, match="expected at least 4000"):
        plan_markdown(OperationRecord(), stack="s", limit=SHORTEST_LIMIT - 1)


def test_what_cannot_be_seen_is_shown_as_an_escape() -> None:
    assert safe("plain é 漢 → ok") == "plain é 漢 → ok"
    assert safe("a\u202eb\x1bc\nd\u200be\U000e0001\ud800\u3164") == (
        "a\\u202eb\\u001bc\\u000ad\\u200be\\U000e0001\\ud800\\u3164"
    )


class Page(HTMLParser):
    """What a reader of the rendered page sees, apart from code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.outside = ""
        self.code: list[str] = []
        self.comments: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "code":
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if "code" in self.open:
            self.code[-1] += data
        else:
            self.outside += data


TAGS = {"h3", "p", "strong", "code", "pre", "ul", "li", "details", "summary"}


def rendered(text: str) -> Page:
    """The page, held to be well-formed and to have nothing but what we put there."""
    page = Page(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))
    assert page.open == []
    assert page.tags <= TAGS
    assert page.comments == []
    assert "@" not in page.outside
    assert "#" not in page.outside
    return page


@pytest.mark.parametrize("text", [*HOSTILE, "", "`", " ` ", "``"])
def test_inline_code_shows_any_text(text: str) -> None:
    (found,) = rendered(f"before {code(text)} after").code
    assert found.strip() == safe(text).strip()


TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40), st.text(min_size=1, max_size=4).map(lambda t: t * 90))
VALUE = st.recursive(
    st.one_of(TEXT, st.integers(), st.booleans(), st.none(), st.just(UNKNOWN), st.just("[secret]")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
INPUTS = st.dictionaries(TEXT, VALUE, max_size=8)
STEP = st.one_of(
    st.tuples(st.just("delete"), TEXT, INPUTS, st.none(), st.just([])),
    st.tuples(st.just("create"), TEXT, st.none(), INPUTS, st.just([])),
    st.tuples(st.sampled_from(["update", "replace", "discard", "strange"]), TEXT, INPUTS, INPUTS, st.lists(TEXT)),
)


@st.composite
def plans(draw: st.DrawFn) -> OperationRecord:
    drawn = draw(st.lists(STEP, max_size=12))
    repeated = [
        (op, f"{name}{copy}", *rest) for op, name, *rest in drawn for copy in range(draw(st.sampled_from([1, 1, 12])))
    ]
    messages = draw(st.lists(st.tuples(st.sampled_from(["error", "warning"]), TEXT), max_size=3))
    return recorded(
        *(metadata(op, name, old, new, keys=keys) for op, name, old, new, keys in repeated),
        *(diagnostic(severity, message) for severity, message in messages),
        summary(same=draw(st.integers(0, 30))),
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(plan=plans(), limit=st.integers(SHORTEST_LIMIT, 20_000), stack=TEXT, digest=TEXT)
def test_any_plan_is_well_formed_within_its_limit_and_names_what_is_lost(
    plan: OperationRecord, limit: int, stack: str, digest: str
) -> None:
    text = plan_markdown(plan, stack=stack, digest=digest, limit=limit)
    assert len(text) <= limit
    page = rendered(text)
    sections = text.split("\n**To ")
    lost = [item.step for item in plan.by_resource() if item.step.op in ("delete", "replace")]
    lost.sort(key=lambda each: (each.name, each.urn))
    for word, op in (("delete", "delete"), ("replace", "replace")):
        steps = [each for each in lost if each.op == op]
        if not steps:
            continue
        (section,) = [part for part in sections if part.startswith(f"{word}: ")]
        assert section.startswith(f"{word}: {len(steps)}**")
        cut = re.search(r"^… and (\d+) more resources?\b", section, re.MULTILINE)
        kept = steps[: len(steps) - (int(cut[1]) if cut else 0)]
        for each in kept:
            shown = safe(each.name)
            shown = shown if len(shown) <= 120 else f"{shown[:119]}…"
            assert any(" ".join(shown.split()) in " ".join(found.split()) for found in page.code)

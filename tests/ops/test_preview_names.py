"""Names of preview environments do not collide with each other or with anything else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import naming
from ops.previews import names
from scaleway_facts.limits import CONTAINER_NAME

LONGEST = names.longest_name(["api", "admin", "app"])
RESERVED = (
    "ci",
    "stage",
    "staging",
    "production",
    "local",
    "foundation-ci",
    "foundation-stage",
    "foundation-production",
    "custom",
)
BRANCHES = st.text(min_size=1) | st.from_regex(r"[a-zA-Z0-9/_.-]{1,60}", fullmatch=True)
ODD = (
    "CI",
    "ci",
    "pr-12",
    "PR-12",
    "12",
    "7up",
    "---",
    "été",
    "日本",
    "br-x",
    "production",
    "-",
    "_",
    "pr-12-api",
    "a" * 300,
)
APPS = st.sampled_from(["api", "admin", "app", "apiv2", "tasks"])


@given(branch=BRANCHES, app=APPS)
def test_branch_names_are_valid_and_within_the_limit(branch: str, app: str) -> None:
    name = names.of_branch(branch, LONGEST)
    assert re.match(naming.NAME_PATTERN, name)
    assert len(name) <= LONGEST
    assert len(naming.container(name, "admin")) <= CONTAINER_NAME.most
    assert names.is_preview(name)
    assert names.pull_request_of(name) is None
    assert names.of_workload(naming.container(name, app)) == name
    assert names.of_secret(naming.secret(name)) == name
    assert name == names.of_branch(branch, LONGEST)


@given(one=BRANCHES, other=BRANCHES)
def test_two_branches_have_two_names(one: str, other: str) -> None:
    assert (names.of_branch(one, LONGEST) == names.of_branch(other, LONGEST)) == (one == other)


@given(number=st.integers(1, 10**12), branch=BRANCHES, app=APPS)
def test_no_branch_has_the_name_of_a_pull_request(number: int, branch: str, app: str) -> None:
    name = names.of_pull_request(number, LONGEST)
    assert name != names.of_branch(branch, LONGEST)
    assert names.is_preview(name)
    assert names.pull_request_of(name) == number
    assert names.of_workload(naming.container(name, app)) == name
    assert names.of_secret(naming.secret(name)) == name


@pytest.mark.parametrize("branch", ODD)
def test_unusual_branches_get_distinct_names(branch: str) -> None:
    name = names.of_branch(branch, LONGEST)
    assert names.is_preview(name)
    assert name.startswith("br-")
    assert name not in RESERVED
    assert len({names.of_branch(each, LONGEST) for each in ODD}) == len(ODD)


def test_truncated_names_differ_by_hash() -> None:
    one, other = ("feature_" + "long" * 20 + end for end in ("1", "2"))
    first, second = (names.of_branch(each, LONGEST) for each in (one, other))
    assert first[:-8] == second[:-8] == "br-feature-longlong-"[: LONGEST - 8]
    assert first != second
    assert names.of_branch("--__--", LONGEST).count("-") == 1
    assert names.of_branch("Feature__Foo/--Bar", 40).startswith("br-feature-foo-bar-")


OTHERS = """
pr pr- pr-0 pr-01 pr-1x pr--1 pr-1- br- br-x br-x-1234567 br--12345678 br-x-123456789 br-X-12345678 br-x-1234567G
br-x--12345678 xpr-1 pr-² snu-pr-1 ci-api
"""


@pytest.mark.parametrize("name", [*RESERVED, *OTHERS.split(), "", "pr-1\n", "br-12345678\n", "pr-" + "1" * 40])
def test_nothing_else_is_a_preview(name: str) -> None:
    assert not names.is_preview(name)
    assert names.of_secret(naming.secret(name)) is None
    assert names.of_workload(naming.container(name, "api")) is None


def test_containers_are_attributed_to_the_right_preview() -> None:
    assert names.of_workload("br-deadbeef-abcdef12-api") == "br-deadbeef-abcdef12"
    assert names.of_workload("pr-12") is None
    assert names.of_workload("pr-1-2") is None
    assert names.of_secret("pr-12") is None
    assert names.of_secret("snu-pr-12-state") is None


@pytest.mark.parametrize(
    "branch", ["no-ci-x", "no_ci_x", "x-no-ci", "x_no_ci", "x-no-ci-y", "x_no-ci_y", "X-NO-CI", "no-ci-"]
)
def test_branches_that_opt_out(branch: str) -> None:
    assert names.is_no_ci(branch)


@pytest.mark.parametrize("branch", ["no-cinema", "no-ci", "xno-ci", "no-circus-x", "main", "noci-x"])
def test_branches_that_do_not_opt_out(branch: str) -> None:
    assert not names.is_no_ci(branch)


def test_names_without_room_are_rejected() -> None:
    assert names.longest_name([]) == 32
    with pytest.raises(ValueError, match="limited to 34 characters, which leaves 10"):
        names.longest_name(["a" * 23])
    assert names.is_preview(names.of_branch("feature", names.longest_name(["a" * 22])))
    for number in (0, -1, 10**40):
        with pytest.raises(ValueError, match="is not a pull request number"):
            names.of_pull_request(number, LONGEST)

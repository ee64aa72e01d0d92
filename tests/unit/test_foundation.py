"""Where the environments of a foundation keep their state."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.committed_stacks import build, edited_config

DATABASE = "scaleway:databases/serverlessDatabase:ServerlessDatabase"
APPLICATION = "scaleway:iam/application:Application"


@pytest.mark.parametrize(
    ("environment", "components"),
    [
        ({"database": {"kind": "serverless"}}, ["BackendDatabase"]),
        ({"database": {"kind": "bucket"}}, ["BackendBucket"]),
        # Until the state has moved, it is still in the former database.
        (
            {"database": {"kind": "bucket"}, "formerDatabase": {"kind": "serverless"}},
            ["BackendBucket", "BackendDatabase"],
        ),
    ],
)
def test_a_state_is_in_a_bucket_or_in_a_database(environment: dict[str, Any], components: list[str]) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["snu:environments"]["staging"] = environment

    made = build("foundation-stage", edited_config("foundation-stage", edit))
    assert sorted(each.type for each in made.resources if each.name == "staging-state") == [
        f"snu:index:{component}" for component in components
    ]
    assert len(made.of_type(DATABASE)) == components.count("BackendDatabase")
    names = [each.inputs["name"] for each in made.of_type(APPLICATION)]
    assert len(names) == len({*names})

"""Names, at their limits."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from infra import naming
from scaleway_facts.limits import CONTAINER_NAME

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,32}[a-z0-9])?", fullmatch=True)
"""What `naming.NAME_PATTERN` takes, at most 34 characters long."""


@given(environment=NAMES, app=NAMES)
def test_a_container_s_name_is_a_name_within_its_limit(environment: str, app: str) -> None:
    name = naming.container(environment, app)
    assert name == f"{environment}-{app}"
    assume(len(environment) + len(app) < CONTAINER_NAME.most)
    assert len(name) <= CONTAINER_NAME.most
    assert re.match(naming.NAME_PATTERN, name)


@given(label=NAMES, parent=NAMES)
def test_a_host_in_a_zone_is_its_record_and_the_zone(label: str, parent: str) -> None:
    zone = f"{parent}.example.org"
    host = f"{label}.{zone}"
    assert naming.is_in_zone(host, zone)
    assert f"{naming.record(host, zone)}.{zone}" == host
    assert naming.split_zone(zone) == (parent, "example.org")


def test_a_zone_and_hosts_elsewhere_are_not_in_it() -> None:
    assert not naming.is_in_zone("ci.beta-snu.dev", "ci.beta-snu.dev")
    assert not naming.is_in_zone("api.xci.beta-snu.dev", "ci.beta-snu.dev")


def test_live_names() -> None:
    assert naming.container("staging", "api") == "staging-api"
    assert naming.container_namespace("staging") == "snu-staging"
    assert naming.registry_namespace("production") == "snu-production"
    assert naming.secret("staging") == "snu-staging"
    assert naming.project("ci") == "snu-ci"
    assert naming.deploy_application("production") == "snu-deploy-production"
    assert naming.secret_reader_application("ci") == "snu-get-secret-ci"
    assert naming.policy("snu-deploy-ci") == "snu-deploy-ci-policy"
    assert naming.image("registry.example.test/snu-ci", "api", "sha256:0") == (
        "registry.example.test/snu-ci/api@sha256:0"
    )
    assert naming.url("http://{host}:8421", "api.example.org") == "http://api.example.org:8421"

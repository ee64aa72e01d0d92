"""Warnings about settings that Scaleway may reject."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import load_file
from infra.settings.advice import advice
from tests.support.settings import ENVIRONMENT, FOUNDATION, Stack, changed

ORGANIZATION = {"scaleway:organizationId": FOUNDATION["scaleway:organizationId"]}
Read = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a stack `test` and others, and gives the advice for `test`."""

    def write(config: Stack, **others: Stack) -> list[str]:
        for name, content in {"test": config, **others}.items():
            (tmp_path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": content}))
        return advice(load_file(tmp_path / "Pulumi.test.yaml"), "test", tmp_path)

    return write


def api(**values: Any) -> Stack:
    return ORGANIZATION | changed(ENVIRONMENT, **{f"apps__api__{name}": value for name, value in values.items()})


def test_there_is_none_for_settings_within_all_limits(read: Read) -> None:
    assert read(api()) == []


@pytest.mark.parametrize(("cpu", "memory", "likely"), [(4000, 512, "4000 to 12228"), (256, 2048, "256 to 1024")])
def test_memory_that_does_not_fit_the_processor(read: Read, cpu: int, memory: int, likely: str) -> None:
    (text,) = read(api(cpu=cpu, memory=memory))
    assert text == (
        f"Pulumi.test.yaml: snu:apps.api.memory: Scaleway may reject {memory} MB with a cpu of {cpu}; {likely} MB is "
        "likely to be accepted. See docs/reference/limits.md"
    )


def test_many_variables_and_long_names(read: Read) -> None:
    long = "X" * 101
    many = {f"NAME_{number}": "value" for number in range(100)} | {long: "value"}
    texts = read(api(variables=many, secretVariables=[f"SECRET_{number}" for number in range(100)]))
    of_api = [text.partition(": snu:apps.api: ")[2] for text in texts if ": snu:apps.api: " in text]
    assert [text.partition(";")[0] for text in of_api[:1]] == ["Scaleway may reject 101 plain variables"]
    assert f"the variable {long}: its name has 101 characters" in of_api[1]
    assert len(of_api) == 2
    assert len(texts) == 4, "tasks takes the variables of api"


class TestHostOutsideOfTheZone:
    ZONE: Stack = {"snu:zone": "test.example.org"}

    @pytest.mark.parametrize("host", ["mailer.example.org", "test.example.org", "mailertest.example.org"])
    def test_it_is_named_with_the_zone(self, read: Read, host: str) -> None:
        (text,) = read(api(host=host) | self.ZONE)
        assert text == (
            f"Pulumi.test.yaml: snu:apps.api.host: `{host}` is outside of the zone `test.example.org` (snu:zone), so "
            "it gets no DNS record, and Scaleway issues its certificate only once it has one. Choose a host that ends "
            "in `.test.example.org`, or create a CNAME record to the container's endpoint in the zone of that host"
        )

    def test_hosts_in_the_zone_or_without_one_get_no_advice(self, read: Read) -> None:
        assert read(api() | self.ZONE) == []
        assert read(api(host="mailer.example.org")) == []

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8421", "http://localhost:8421", "http://[::1]:8421"])
    def test_the_local_scaleway_needs_no_record(self, read: Read, url: str) -> None:
        assert read(api(host="mailer.example.org") | self.ZONE | {"scaleway:apiUrl": url}) == []
        other = {"scaleway:apiUrl": "https://api.scaleway.example"}
        assert len(read(api(host="mailer.example.org") | self.ZONE | other)) == 1


class TestQuota:
    def test_all_stacks_of_the_organization_count(self, read: Read) -> None:
        other = api(cpu=2000, memory=8000, maxScale=12)
        assert read(api()) == read(api(), other=other) == []
        (text,) = read(api(memory=4000, maxScale=2), other=other)
        assert "the containers of other, test need 105.0 GB of memory at their maximum scale" in text
        assert "the organization's quota is 100 GB" in text
        assert text.endswith("set snu:containerMemoryQuota in Pulumi.foundation-test.yaml")

    def test_stacks_of_other_organizations_and_broken_files_do_not(self, read: Read, tmp_path: Path) -> None:
        (tmp_path / "Pulumi.broken.yaml").write_text("config: [")
        elsewhere = api(cpu=2000, memory=8000, maxScale=50) | {
            "scaleway:organizationId": "10ca1000-0000-4000-8000-000000000009"
        }
        nonsense = ORGANIZATION | {"snu:apps": {"api": {"memory": "much", "maxScale": None}, "admin": 1}}
        assert read(api(), elsewhere=elsewhere, nonsense=nonsense) == []

    def test_the_foundation_names_the_quota(self, read: Read) -> None:
        foundation = {"foundation-test": changed(FOUNDATION, containerMemoryQuota=2)}
        (text,) = read(api(memory=2000), **foundation)
        assert "need 2.5 GB of memory" in text
        assert "quota is 2 GB" in text


@pytest.mark.parametrize(
    ("days", "when"),
    [(31, None), (30, "expire in 30 days"), (1, "expire in 1 day."), (0, "have expired"), (-9, "have expired")],
)
def test_keys_that_expire_soon(read: Read, days: int, when: str | None) -> None:
    day = datetime.now(UTC).date() + timedelta(days=days)
    texts = read(changed(FOUNDATION, apiKeysExpireOn=str(day)))
    assert [f"snu:apiKeysExpireOn: the API keys {when}" in text for text in texts] == ([True] if when else [])

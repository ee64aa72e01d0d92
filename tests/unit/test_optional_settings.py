"""Tests that set and remove every optional setting know a value for each."""

from random import Random

from tests.lab.optional_settings import EXEMPT, VALUES, covered, every_setting


def test_every_optional_setting_has_a_value_or_an_exemption() -> None:
    random = Random(0)
    assert all(setting.value(random) != setting.field.default for setting in covered())


def test_values_and_exemptions_are_of_settings() -> None:
    paths = [setting.path for setting in every_setting()]
    assert VALUES.keys() <= {*paths}
    assert not [each for each in EXEMPT if not any(path == each or path.startswith(f"{each}.") for path in paths)]

"""Temperatures and momenta outside of what was published."""

from __future__ import annotations

import pytest
from conftest import Write
from findings import BANK, QUICK_MOCO, found

# -- G303 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("temperature", "said"),
    [
        ("5.0", "5"),
        ("0.009", "0.009"),
        ("{from: 0.001, to: 0.1}", "0.001"),
        ("{from: 0.1, to: 2}", "2"),
        ("{from: 3, to: 1, shape: constant}", "3"),
    ],
)
def test_a_temperature_out_of_range_is_said(write: Write, temperature: str, said: str) -> None:
    ((place, message, _),) = found(write, "G303", QUICK_MOCO, [("temperature: 0.2", f"temperature: {temperature}")])
    assert message == f"the temperature of 'critic' is {said}"
    assert place == ("temperature" if "{" in temperature else temperature)


@pytest.mark.parametrize("temperature", ["0.01", "1", "{from: 0.1, to: 0.5}", "{from: 0.1, to: 50, shape: constant}"])
def test_a_temperature_in_range_is_sound(write: Write, temperature: str) -> None:
    assert found(write, "G303", QUICK_MOCO, [("temperature: 0.2", f"temperature: {temperature}")]) == []


@pytest.mark.parametrize("critic", ["critic.dot, temperature: 10", "critic.bilinear, temperature: 10"])
def test_scores_that_are_no_cosines_may_have_any_temperature(write: Write, critic: str) -> None:
    assert found(write, "G303", QUICK_MOCO, [("critic.cosine, temperature: 0.2", critic)]) == []


# -- G404 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("momentum", "said"),
    [
        ("0.01", "0.01"),
        ("0.899", "0.899"),
        ("1", "1"),
        ("{from: 0.99, to: 0.5}", "0.5"),
        ("{from: 0.5, to: 1}", "0.5"),
        ("{from: 1, to: 0.99}", "1"),
    ],
)
def test_a_momentum_out_of_range_is_said(write: Write, momentum: str, said: str) -> None:
    ((place, message, _),) = found(write, "G404", QUICK_MOCO, [("momentum: 0.99", f"momentum: {momentum}")])
    assert message == f"the momentum of 'target' is {said}"
    assert place == ("momentum" if "{" in momentum else momentum)


@pytest.mark.parametrize("momentum", ["0.9", "0.9999", "{from: 0.9, to: 1}", "{from: 0.99, to: 0, shape: constant}"])
def test_a_momentum_in_range_is_sound(write: Write, momentum: str) -> None:
    assert found(write, "G404", QUICK_MOCO, [("momentum: 0.99", f"momentum: {momentum}")]) == []


def test_the_momentum_of_a_bank_is_another(write: Write) -> None:
    assert found(write, "G404", QUICK_MOCO, [*BANK, ("sample: 8", "sample: 8, momentum: 0.5")]) == []

"""The quantiles of the histogram."""

import random

import pytest

from observe.histogram import Histogram

SOURCES = {
    "uniform": lambda source: source.uniform(1e3, 1e9),
    "lognormal": lambda source: source.lognormvariate(15, 2),
    "two peaks": lambda source: source.choice((2e6, 3e9)) * source.uniform(0.9, 1.1),
}


@pytest.mark.parametrize("name", SOURCES)
def test_quantiles_are_close_to_the_exact_ones(name: str) -> None:
    """p50 and p99 differ by 5 % at most from those of the sorted values."""
    source = random.Random(1)  # noqa: S311 - no secret
    values = sorted(max(1_000, int(SOURCES[name](source))) for _ in range(9_999))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    read_again = Histogram.from_json(histogram.to_json())
    for share in (0.5, 0.99):
        exact = values[round(share * len(values))]
        assert read_again.quantile(share) == pytest.approx(exact, rel=0.06)


def test_one_value_and_none() -> None:
    """No duration is too short or too long, and without any the quantile is 0."""
    histogram = Histogram()
    assert histogram.quantile(0.5) == 0
    for value in (0, -5, 10**18):
        histogram.add(value)
    assert histogram.count == 3
    assert histogram.quantile(1) == pytest.approx(10**18, rel=0.05)

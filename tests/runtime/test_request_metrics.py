"""What is counted of requests, as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families

from indicia.runtime.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample about requests, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if sample.name.startswith("indicia_request")
    }


def test_requests_are_counted_by_what_they_were() -> None:
    """Each protocol, operation and status has a count of its own."""
    metrics = Metrics()
    for status in (200, 200, 404):
        metrics.answered("sesv2", "GetEmailIdentity", status, 0.001)

    counted = samples(metrics)

    def of(status: str) -> float:
        labels = (("operation", "GetEmailIdentity"), ("service", "sesv2"), ("status", status))
        return counted["indicia_requests_total", labels]

    assert of("200") == 2
    assert of("404") == 1


def test_times_are_a_histogram() -> None:
    """A time counts in every bucket whose bound it does not exceed; count and sum are those of all times."""
    metrics = Metrics()
    for seconds in (0.0001, 0.0005, 0.002, 9.0):
        metrics.answered("ses", "ListIdentities", 200, seconds)

    counted = samples(metrics)

    def within(bound: str) -> float:
        return counted["indicia_request_seconds_bucket", (("le", bound),)]

    assert (within("0.0005"), within("0.001"), within("0.0025"), within("5.0"), within("+Inf")) == (
        2, 2, 3, 3, 4,
    )  # fmt: skip
    assert counted["indicia_request_seconds_count", ()] == 4
    assert abs(counted["indicia_request_seconds_sum", ()] - 9.0026) < 1e-9

"""What this process counts, for `/metrics` in the text format of Prometheus.

One registry a composition, so that two in one process (tests, the sandbox) do not count into each other.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from indicia.domain.check import Conclusion

# Seconds. A signed read takes tenths of a millisecond, a create some milliseconds, a check of slow DNS 30 s.
_REQUEST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_CHECK_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one process. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "indicia_requests_total",
            "Requests answered, by protocol, operation and status.",
            ["service", "operation", "status"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "indicia_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._checks = Counter(
            "indicia_checks_total", "Checks of identities that were concluded.", registry=self.registry
        )
        self._check_seconds = Histogram(
            "indicia_check_seconds",
            "Time a check took, from its first question to its conclusion.",
            buckets=_CHECK_BUCKETS,
            registry=self.registry,
        )
        self._verdicts = Counter(
            "indicia_verdicts_total",
            "What facets were found to be, by facet, sight and finding.",
            ["facet", "sight", "finding"],
            registry=self.registry,
        )
        self._transitions = Counter(
            "indicia_transitions_total",
            "Changes of a facet's status, by facet and the status entered.",
            ["facet", "status"],
            registry=self.registry,
        )
        self._waived = Gauge(
            "indicia_unsafe_waived",
            "Refusals of the start that were waived with INDICIA_UNSAFE.",
            ["refusal"],
            registry=self.registry,
        )

    def answered(self, service: str, operation: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(service, operation, str(status)).inc()
        self._request_seconds.observe(seconds)

    def checked(self, result: Conclusion, seconds: float) -> None:
        """Count one check and what it found."""
        self._checks.inc()
        self._check_seconds.observe(seconds)
        for verdict in result.facets:
            self._verdicts.labels(verdict.facet.value, verdict.sight.value, verdict.finding.value).inc()
            if verdict.cause is not None:
                self._transitions.labels(verdict.facet.value, verdict.after.status.value).inc()

    def waived(self, refusal: str) -> None:
        """Show that a refusal of the start is waived."""
        self._waived.labels(refusal).set(1)

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry)

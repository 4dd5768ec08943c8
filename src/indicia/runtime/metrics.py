"""What this process counts, for `/metrics` in the text format of Prometheus.

One registry a composition, so that two in one process (tests, the sandbox) do not count into each other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client.metrics import Counter, Gauge, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from indicia.domain.delivery import AttemptOutcome
from indicia.domain.identities.identity import FacetState
from indicia.domain.installation.presence import Presence
from indicia.domain.proofs.transitions import Sight
from indicia.domain.time import SECOND, Instant
from indicia.domain.verification.brake import demotes
from indicia.domain.verification.check import Conclusion, FacetVerdict

# Seconds. A signed read takes tenths of a millisecond, a create some milliseconds, a check of slow DNS 30 s.
_REQUEST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_CHECK_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# DNS response codes by number (RFC 1035 §4.1.1); the key zone gives no others.
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}

# A series of the time at which each counter began doubles the page and says nothing that `rate` needs.
disable_created_metrics()  # type: ignore[no-untyped-call]


class KeyZoneTally(Protocol):
    """What the key zone has counted so far."""

    udp: int
    tcp: int
    slipped: int
    dropped: int

    @property
    def rcodes(self) -> Sequence[int]:
        """How many answers there were of each response code."""


class ConnectionTally(Protocol):
    """What a listener has counted of who wanted to connect."""

    evicted: int
    refused_client: int
    refused_process: int
    without_files: int

    def __len__(self) -> int:
        """Return how many are connected."""


class BodyTally(Protocol):
    """What is held of the bodies of requests."""

    held: int
    refused: int


class TrailerTally(Protocol):
    """What came behind the bodies of requests."""

    dropped: int


class ResolverTally(Protocol):
    """What was not believed of the answers of one resolver so far."""

    unproved: int
    forged: int
    floods: int


class Metrics:
    """The counters of one process. Every method may be called from any thread, unless it says otherwise."""

    def __init__(self, version: str = "") -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Gauge("indicia_build_info", "The version that runs.", ["version"], registry=self.registry).labels(
            version
        ).set(1)
        self._requests = _RequestCollector()
        self.registry.register(self._requests)
        self._checks = _CheckCollector()
        self.registry.register(self._checks)
        self._sights = _SightCollector()
        self._transitions = Counter(
            "indicia_transitions_total",
            "Changes of a facet's status that were stored, by facet and the status entered.",
            ["facet", "status"],
            registry=self.registry,
        )
        self._demotions = Counter(
            "indicia_demotions_total",
            "Proofs that stood and were taken away, in part or in whole, by facet and the status entered.",
            ["facet", "status"],
            registry=self.registry,
        )
        self._waived = Gauge(
            "indicia_unsafe_waived",
            "Refusals of the start that were waived with INDICIA_UNSAFE.",
            ["refusal"],
            registry=self.registry,
        )
        self._held_back = Counter(
            "indicia_demotions_held_back_total",
            "Identities that kept their status because too many would have lost it within an hour.",
            registry=self.registry,
        )
        self._believed = Gauge(
            "indicia_perspective_believed",
            "1 while a perspective passes its control questions, 0 while its absences do not count.",
            ["perspective"],
            registry=self.registry,
        )
        self._posts = Counter(
            "indicia_webhook_posts_total",
            "Posts to webhooks, by how they went: delivered, failed, given_up.",
            ["outcome"],
            registry=self.registry,
        )
        self._role_processes = Gauge(
            "indicia_role_processes",
            "Processes of this installation that run a role, by their heartbeats in the database.",
            ["role"],
            registry=self.registry,
        )
        self._paused: Gauge | None = None
        self._delayed: Gauge | None = None
        self._waiting: Gauge | None = None
        self._behind: Gauge | None = None
        self._oldest_mail: Gauge | None = None
        self._pool: Gauge | None = None
        self._waited_for: Gauge | None = None
        self._oldest_due: Gauge | None = None

    def answered(self, service: str, operation: str, status: int, seconds: float) -> None:
        """Count one request. Only the event loop's thread may call this."""
        self._requests.count((service, operation, status), seconds)

    def checked(self, result: Conclusion, seconds: float) -> None:
        """Count one check and what it found. Only the engine's thread may call this."""
        self._checks.count(result.facets, seconds)
        for verdict in result.facets:
            for record in verdict.records:
                self._sights.count(record.sights, record.sight)

    def landed(self, stored: Conclusion) -> None:
        """Count what moved because of a check, once that is stored."""
        for verdict in stored.facets:
            if verdict.cause is not None:
                self.moved(verdict.before, verdict.after)

    def moved(self, before: FacetState, after: FacetState) -> None:
        """Count a facet whose status was stored."""
        moved = (after.facet.value, after.status.value)
        self._transitions.labels(*moved).inc()
        if demotes(before, after):
            self._demotions.labels(*moved).inc()

    def present(self, found: Iterable[Presence]) -> None:
        """Note who runs each role."""
        for each in found:
            self._role_processes.labels(each.role).set(each.processes)

    def waived(self, refusal: str) -> None:
        """Show that a refusal of the start is waived."""
        self._waived.labels(refusal).set(1)

    def held_back(self, identities: int) -> None:
        """Count identities that the brake on mass demotion has kept from falling."""
        self._held_back.inc(identities)

    def perspective_believed(self, perspective: str, believed: bool) -> None:
        """Note whether a perspective passes its control questions."""
        self._believed.labels(perspective).set(int(believed))

    def watch_resolvers(self, tallies: Callable[[], Iterable[tuple[str, ResolverTally]]]) -> None:
        """Show what was not believed of the answers of resolvers, by the perspective they belong to."""
        self.registry.register(_ResolverCollector(tallies))

    def posted(self, outcome: AttemptOutcome) -> None:
        """Count one post to a webhook."""
        self._posts.labels(outcome).inc()

    def braked(self, *, paused: bool, accounts: int) -> None:
        """Note what the store says: whether demotions are paused, and of how many accounts they wait."""
        if self._paused is not None and self._delayed is not None:
            self._paused.set(int(paused))
            self._delayed.set(accounts)

    def telling(self, now: Instant, waiting: int, behind: int, oldest_mail: Instant | None) -> None:
        """Note what the store says: deliveries that wait, webhooks that are behind, the oldest mail."""
        if self._waiting is not None and self._behind is not None and self._oldest_mail is not None:
            self._waiting.set(waiting)
            self._behind.set(behind)
            self._oldest_mail.set(_seconds_since(oldest_mail, now))

    def watch_engine(self, checking: Callable[[], int], perspectives: Sequence[str]) -> None:
        """Show what the engine has in hand and its perspectives see; from now on what `stored` says."""
        self._sights.name(perspectives)
        self.registry.register(self._sights)
        Gauge(
            "indicia_checks_in_hand",
            "Identities that are being checked at this moment.",
            registry=self.registry,
        ).set_function(checking)
        self._oldest_due = Gauge(
            "indicia_oldest_due_check_seconds",
            "For how long the longest waiting identity has been due, 0 when none is.",
            registry=self.registry,
        )
        self._paused = Gauge(
            "indicia_demotions_paused",
            "1 while nothing is demoted because too much would have been within an hour.",
            registry=self.registry,
        )
        self._delayed = Gauge(
            "indicia_demotions_delayed_accounts",
            "Accounts whose demotions wait a window: too many of theirs would have been within an hour.",
            registry=self.registry,
        )
        self._pool = Gauge(
            "indicia_key_pool_keys",
            "Key pairs that wait in the pool, by their length in bits.",
            ["bits"],
            registry=self.registry,
        )
        self._waited_for = Gauge(
            "indicia_keys_waited_for",
            "Identities, and rotations somebody asked for, that wait for a key of so many bits.",
            ["bits"],
            registry=self.registry,
        )

    def watch_mailer(self) -> None:
        """Show from now on what `telling` says."""
        self._waiting = Gauge(
            "indicia_webhook_deliveries_waiting",
            "Events that wait to be delivered to a webhook.",
            registry=self.registry,
        )
        self._behind = Gauge(
            "indicia_webhooks_behind",
            "Webhooks that read the event log, since more waits for them than is queued at once.",
            registry=self.registry,
        )
        self._oldest_mail = Gauge(
            "indicia_oldest_mail_seconds",
            "For how long the oldest mail of the service's own has waited for the relay, 0 when none does.",
            registry=self.registry,
        )

    def watch_key_zone(self, tally: KeyZoneTally, lookups: Callable[[], int]) -> None:
        """Show what the key zone counts; `lookups` is how often it asked the store."""
        self.registry.register(_KeyZoneCollector(tally, lookups))

    def watch_connections(self, listeners: Mapping[str, ConnectionTally]) -> None:
        """Show who is connected to each listener, and who could not be or no longer is."""
        self.registry.register(_ConnectionCollector(listeners))

    def watch_requests(self, bodies: BodyTally, trailers: TrailerTally) -> None:
        """Show what requests hold, and what of them was dropped."""
        self.registry.register(_BodyCollector(bodies, trailers))

    def stored(
        self,
        now: Instant,
        oldest_due: Instant | None,
        pooled: Mapping[int, int],
        waiting: Mapping[int, int],
    ) -> None:
        """Note what the store says now: when the oldest due check was due, how it stands with the keys."""
        if self._oldest_due is not None:
            self._oldest_due.set(_seconds_since(oldest_due, now))
        if self._pool is not None:
            for bits, count in pooled.items():
                self._pool.labels(str(bits)).set(count)
        if self._waited_for is not None:
            for bits, count in waiting.items():
                self._waited_for.labels(str(bits)).set(count)

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        # It brings in HTTP servers, and nobody has to be waiting for a page.
        from prometheus_client.exposition import generate_latest

        return generate_latest(self.registry)


def _seconds_since(instant: Instant | None, now: Instant) -> float:
    return 0 if instant is None else max(0, now - instant) / SECOND


class _RequestCollector(Collector):
    """Counts requests where that costs half a microsecond; with the library's own classes it costs four."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, int], int] = {}
        self._within = [0] * (len(_REQUEST_BUCKETS) + 1)
        self._seconds = 0.0

    def count(self, kind: tuple[str, str, int], seconds: float) -> None:
        """Count one request by protocol, operation and status, and the time it took."""
        self._answered[kind] = self._answered.get(kind, 0) + 1
        self._within[bisect_left(_REQUEST_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterable[CounterMetricFamily | HistogramMetricFamily]:
        """Return the counters of this moment."""
        requests = CounterMetricFamily(
            "indicia_requests",
            "Requests answered, by protocol, operation and status.",
            labels=["service", "operation", "status"],
        )
        for (service, operation, status), count in self._answered.items():
            requests.add_metric([service, operation, str(status)], count)
        bounds = (*map(str, _REQUEST_BUCKETS), "+Inf")
        seconds = HistogramMetricFamily(
            "indicia_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            buckets=list(zip(bounds, accumulate(self._within), strict=True)),
            sum_value=self._seconds,
        )
        return [requests, seconds]


class _CheckCollector(Collector):
    """Counts checks and verdicts at a tenth of what it costs with the library's own classes."""

    def __init__(self) -> None:
        self._verdicts: dict[tuple[str, str, str], int] = {}
        self._within = [0] * (len(_CHECK_BUCKETS) + 1)
        self._seconds = 0.0

    def count(self, verdicts: Iterable[FacetVerdict], seconds: float) -> None:
        """Count one check, what it found and the time it took."""
        self._within[bisect_left(_CHECK_BUCKETS, seconds)] += 1
        self._seconds += seconds
        for verdict in verdicts:
            kind = (verdict.facet.value, verdict.sight.value, verdict.finding.value)
            self._verdicts[kind] = self._verdicts.get(kind, 0) + 1

    def collect(self) -> Iterable[CounterMetricFamily | HistogramMetricFamily]:
        """Return the counters of this moment."""
        checks = CounterMetricFamily("indicia_checks", "Checks of identities that were concluded.")
        checks.add_metric([], sum(self._within))
        bounds = (*map(str, _CHECK_BUCKETS), "+Inf")
        seconds = HistogramMetricFamily(
            "indicia_check_seconds",
            "Time a check took, from its first question to its conclusion.",
            buckets=list(zip(bounds, accumulate(self._within), strict=True)),
            sum_value=self._seconds,
        )
        verdicts = CounterMetricFamily(
            "indicia_verdicts",
            "What facets were found to be, by facet, sight and finding.",
            labels=["facet", "sight", "finding"],
        )
        for kind, count in self._verdicts.items():
            verdicts.add_metric(list(kind), count)
        return [checks, seconds, verdicts]


class _SightCollector(Collector):
    """Counts what each perspective saw of each record, beside what all of them together say of it.

    A check looks at three records through each perspective: here that costs a tenth of what it costs with the
    library's own classes.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._counts: list[dict[str, int]] = []

    def name(self, perspectives: Sequence[str]) -> None:
        """Count for these, in the order in which every verdict has them."""
        self._names = tuple(perspectives)
        self._counts = [dict.fromkeys(("agrees", "differs", "blind"), 0) for _ in self._names]

    def count(self, sights: Sequence[Sight], together: Sight) -> None:
        """Count one record, as each perspective saw it and as the quorum has it."""
        for counts, sight in zip(self._counts, sights, strict=False):
            if sight is Sight.UNKNOWN:
                counts["blind"] += 1
            else:
                counts["agrees" if sight is together else "differs"] += 1

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the counters of this moment."""
        records = CounterMetricFamily(
            "indicia_perspective_records",
            "Records looked at, by perspective and how it stood to the quorum: agrees, differs (it saw what"
            " the quorum did not, or there was none), blind (it learnt nothing).",
            labels=["perspective", "stance"],
        )
        for name, counts in zip(self._names, self._counts, strict=True):
            for stance, count in counts.items():
                records.add_metric([name, stance], count)
        return [records]


class _ResolverCollector(Collector):
    """Reads the tallies of resolvers when it is asked."""

    def __init__(self, tallies: Callable[[], Iterable[tuple[str, ResolverTally]]]) -> None:
        self._tallies = tallies

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the counters of this moment."""
        doubted = CounterMetricFamily(
            "indicia_resolver_answers_doubted",
            "Answers that were not believed and asked for again over TCP, by perspective and reason: unproved"
            " (not in the case of the question), forged (unproved, and TCP said otherwise), flood (a socket"
            " on which ids were guessed).",
            labels=["perspective", "reason"],
        )
        counts: dict[tuple[str, str], int] = {}
        for name, tally in self._tallies():
            for reason, count in (
                ("unproved", tally.unproved),
                ("forged", tally.forged),
                ("flood", tally.floods),
            ):
                counts[name, reason] = counts.get((name, reason), 0) + count
        for kind, count in counts.items():
            doubted.add_metric(list(kind), count)
        return [doubted]


class _KeyZoneCollector(Collector):
    """Reads the tally of a key zone when it is asked, so that an answer costs no counter of ours."""

    def __init__(self, tally: KeyZoneTally, lookups: Callable[[], int]) -> None:
        self._tally = tally
        self._lookups = lookups

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the counters of this moment."""
        tally = self._tally
        questions = CounterMetricFamily(
            "indicia_key_zone_questions", "Questions to the key zone, by transport.", labels=["transport"]
        )
        questions.add_metric(["udp"], tally.udp)
        questions.add_metric(["tcp"], tally.tcp)
        answers = CounterMetricFamily(
            "indicia_key_zone_answers", "Answers of the key zone, by response code.", labels=["rcode"]
        )
        for number, name in _RCODES.items():
            answers.add_metric([name], tally.rcodes[number])
        held_back = CounterMetricFamily(
            "indicia_key_zone_held_back",
            "Questions over UDP that were told to use TCP, or got no answer.",
            labels=["how"],
        )
        held_back.add_metric(["truncated"], tally.slipped)
        held_back.add_metric(["dropped"], tally.dropped)
        lookups = CounterMetricFamily(
            "indicia_key_zone_lookups",
            "Names that were looked up in the database; all others were answered from memory.",
            value=self._lookups(),
        )
        return [questions, answers, held_back, lookups]


class _ConnectionCollector(Collector):
    """Reads what the listeners count when it is asked."""

    def __init__(self, listeners: Mapping[str, ConnectionTally]) -> None:
        self._listeners = listeners

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Return the counters of this moment."""
        connected = GaugeMetricFamily(
            "indicia_connections", "TCP connections that are open, by listener.", labels=["listener"]
        )
        refused = CounterMetricFamily(
            "indicia_connections_refused",
            "TCP connections that were not taken, by listener and why: client (it has its share already),"
            " process (there is no room), files (the process may open no more).",
            labels=["listener", "reason"],
        )
        evicted = CounterMetricFamily(
            "indicia_connections_evicted",
            "TCP connections that were idle, and ended to make room for others, by listener.",
            labels=["listener"],
        )
        for name, tally in self._listeners.items():
            connected.add_metric([name], len(tally))
            refused.add_metric([name, "client"], tally.refused_client)
            refused.add_metric([name, "process"], tally.refused_process)
            refused.add_metric([name, "files"], tally.without_files)
            evicted.add_metric([name], tally.evicted)
        return [connected, refused, evicted]


class _BodyCollector(Collector):
    """Reads what requests hold when it is asked."""

    def __init__(self, bodies: BodyTally, trailers: TrailerTally) -> None:
        self._bodies = bodies
        self._trailers = trailers

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Return the counters of this moment."""
        return [
            GaugeMetricFamily(
                "indicia_request_body_octets",
                "Octets of requests' bodies that are held at this moment.",
                value=self._bodies.held,
            ),
            CounterMetricFamily(
                "indicia_request_bodies_refused",
                "Requests whose body was not taken, since too much of bodies was held already.",
                value=self._bodies.refused,
            ),
            CounterMetricFamily(
                "indicia_request_trailers",
                "Fields behind the bodies of requests, which are dropped.",
                value=self._trailers.dropped,
            ),
        ]


def labelled(text: str, process: str) -> str:
    """Return a page of metrics with the label `process` on every sample."""
    lines = (line if line.startswith("#") else _with_label(line, process) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines)


def _with_label(line: str, process: str) -> str:
    name, brace, labels = line.partition("{")
    if brace:
        return f'{name}{{process="{process}",{labels}'
    name, _, value = line.partition(" ")
    return f'{name}{{process="{process}"}} {value}'


def together(pages: Iterable[str]) -> str:
    """Return pages as one: of each metric its help and type once, then its samples from every page."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for page in pages:
        family = ""
        for line in page.splitlines():
            if line.startswith("#"):
                _, kind, family, *_ = line.split(" ", 3)
                head = heads.setdefault(family, [])
                if not any(known.startswith(f"# {kind} ") for known in head):
                    head.append(line)
            else:
                samples.setdefault(family, []).append(line)
    return "".join(
        f"{line}\n" for family, head in heads.items() for line in (*head, *samples.get(family, ()))
    )

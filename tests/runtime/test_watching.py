"""What is shipped for watching is true: rules and dashboard ask for metrics that there are, pages explain."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from places import ROOT
from prometheus_client.parser import text_string_to_metric_families
from test_check_metrics import concluded

from indicia.connections.process import ProcessConnections
from indicia.keyzone.server import ResponderTally
from indicia.runtime.metrics import Metrics
from indicia.verifier.dns.resolver import Tally as ResolverTally
from indicia.wire.http.body_budget import BodyBudget
from indicia.wire.http.framing import Trailers

RULES = ROOT / "deploy" / "prometheus-rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana-dashboard.json"
PAGE = ROOT / "docs" / "operate" / "alerts.md"

_SELECTOR = re.compile(r"\b(?P<name>(?:indicia|process)_[a-z_]+|up)\b(?:\{(?P<labels>[^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\b(?:by|without|on|group_left)\s*\(([^)]*)\)")
# What Prometheus itself puts beside what is scraped, and what `--workers` does.
SCRAPED = {"instance", "job", "process", "le"}


def rules() -> list[dict[str, Any]]:
    """Every rule, recording and alerting."""
    read = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> Iterator[str]:
    """Every PromQL expression that is shipped."""
    for rule in rules():
        yield rule["expr"]
    for panel in panels():
        for target in panel.get("targets", ()):
            yield target["expr"]


def exported() -> dict[str, set[str]]:
    """The labels of every sample that a process with all roles gives, by its name."""
    metrics = Metrics("0")
    metrics.watch_engine(lambda: 0, ("one", "two"))
    metrics.watch_mailer()
    metrics.watch_key_zone(ResponderTally(), lambda: 0)
    metrics.watch_connections(ProcessConnections(1024).by_listener())
    metrics.watch_requests(BodyBudget(1, 1), Trailers())
    metrics.watch_resolvers(lambda: [("one", ResolverTally())])
    metrics.answered("sesv2", "GetEmailIdentity", 200, 0.001)
    metrics.checked(concluded(), 0.001)
    labels: dict[str, set[str]] = {"up": {"job"}}
    # Counters that nothing was counted on have no sample yet, but they know their labels.
    for known in {*metrics.registry._names_to_collectors.values()}:
        name, names = getattr(known, "_name", ""), getattr(known, "_labelnames", ())
        labels |= {name: set(names), f"{name}_total": set(names)}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def test_what_is_asked_for_is_exported() -> None:
    """Every metric in a rule and on the dashboard is one that the service exports, with those labels."""
    known, asked = exported(), set()
    for expression in expressions():
        for selector in _SELECTOR.finditer(expression):
            name = selector["name"]
            asked.add(name)
            assert name in known, f"{name} in: {expression}"
            assert set(_LABEL.findall(selector["labels"] or "")) <= known[name] | SCRAPED, expression

    assert len(asked) > 15


def test_what_is_grouped_by_is_there() -> None:
    """Every label that an expression groups by is one of a metric in it."""
    known = exported()
    for expression in expressions():
        names = {selector["name"] for selector in _SELECTOR.finditer(expression)}
        there = SCRAPED.union(*(known[name] for name in names))
        assert _grouped(expression) <= there, expression


def _grouped(expression: str) -> set[str]:
    return {word for group in _BY.findall(expression) for word in re.findall(r"\w+", group)}


def test_what_is_exported_is_watched() -> None:
    """Of our own metrics each is on the dashboard or in a rule; but for the version, which is a label."""
    text = "\n".join(expressions())
    families = text_string_to_metric_families(_everything())
    ours = {family.name for family in families if family.name.startswith("indicia_")}

    assert {"indicia_build_info"} == {name for name in ours if name not in text}


def _everything() -> str:
    metrics = Metrics("0")
    metrics.watch_engine(lambda: 0, ("one",))
    metrics.watch_mailer()
    metrics.watch_key_zone(ResponderTally(), lambda: 0)
    metrics.watch_resolvers(lambda: [("one", ResolverTally())])
    return metrics.text().decode()


def test_recorded_series_are_the_ones_asked_for() -> None:
    """A series that an alert reads is recorded by the same file."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    read = {name for rule in rules() for name in re.findall(r"\bindicia:[\w:]+", rule["expr"])}

    assert recorded == read


def test_each_alert_is_explained() -> None:
    """It has a severity, a sentence, and a section of the page that its annotation leads to; no other."""
    alerts = [rule for rule in rules() if "alert" in rule]
    page = PAGE.read_text(encoding="utf-8")
    for rule in alerts:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule
        assert rule["annotations"]["summary"].endswith("."), rule
        anchor = f"docs/operate/alerts.md#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook"] == anchor

    assert re.findall(r"^## (Indicia\w+)$", page, re.MULTILINE) == [rule["alert"] for rule in alerts]


def test_labels_in_sentences_are_those_that_are_left() -> None:
    """`$labels.x` in a summary is a label that the expression keeps, or that of a series it reads."""
    recorded = {rule["record"]: _grouped(rule["expr"]) for rule in rules() if "record" in rule}
    for rule in rules():
        named = set(re.findall(r"\$labels\.(\w+)", rule.get("annotations", {}).get("summary", "")))
        read = re.findall(r"\bindicia:[\w:]+", rule["expr"])
        kept = _grouped(rule["expr"]).union(*(recorded[series] for series in read))
        assert named <= kept | {"instance"}, rule


def test_the_dashboard_has_panels_that_do_not_overlap() -> None:
    """Ids and places are each one panel's; every panel but a heading has a question and a data source."""
    taken: dict[tuple[int, int], str] = {}
    assert len({panel["id"] for panel in panels()}) == len(panels())
    for panel in panels():
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
        assert at["x"] + at["w"] <= 24
        if panel["type"] != "row":
            assert panel["targets"], panel["title"]
            assert panel["datasource"]["uid"] == "${source}"


def test_promtool_reads_the_rules(tmp_path: Path) -> None:
    """Prometheus's own checker takes the rules, and every question of the dashboard as one."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    questions = [
        {"record": f"dashboard:{number}", "expr": expression}
        for number, expression in enumerate(
            target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".+")
            for panel in panels()
            for target in panel.get("targets", ())
        )
    ]
    asked = tmp_path / "dashboard.yml"
    asked.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": questions}]}))

    done = subprocess.run(
        [promtool, "check", "rules", str(RULES), str(asked)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert f"{len(questions)} rules found" in done.stdout

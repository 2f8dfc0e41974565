"""The Grafana dashboard shows the metrics that the service has."""

import json
import re

from tests.support.documents import ROOT

from stills.http.metrics import Metrics

DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
EXPRESSIONS = [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
]


def metric_names():
    """List the names of the service's metrics, as Prometheus shows them."""
    names = {metric.name for metric in Metrics().registry.collect()}
    kinds = {metric.name: metric.type for metric in Metrics().registry.collect()}
    return {f"{name}_total" if kinds[name] == "counter" else name for name in names}


def test_every_metric_is_on_the_dashboard():
    """No metric is left out."""
    assert all(any(name in e for e in EXPRESSIONS) for name in metric_names())


def test_the_dashboard_names_only_metrics_that_exist():
    """No panel stays empty because of a wrong name."""
    used = set(re.findall(r"stills_\w+", " ".join(EXPRESSIONS)))
    assert {name.removesuffix("_bucket") for name in used} <= metric_names()


def test_panels_do_not_overlap():
    """Each place of the grid holds one panel."""
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24

"""The text of a scrape, and the tables of what there is."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge import (
    metrics,
    metrics_datastore,
    metrics_gateway,
    metrics_peers,
    metrics_replication,
    metrics_sessions,
    telemetry,
)
from bridge.metrics import COUNTER, GAUGE, HISTOGRAM, Family, Histogram

TABLES = {
    "Every program": telemetry.FAMILIES,
    "Datastores and gateways": metrics_replication.FAMILIES,
    "Datastores": metrics_datastore.FAMILIES,
    "Sessions": metrics_sessions.FAMILIES,
    "Gateways": (*metrics_gateway.FAMILIES, *metrics_peers.FAMILIES),
}
ALL = [family for families in TABLES.values() for family in families]
DOCUMENT = Path(__file__).parents[3] / "deploy" / "prometheus" / "README.md"
BASE_UNITS = ("_seconds", "_bytes")
NOT_BASE = re.compile(r"_(ms|milliseconds|us|minutes|hours|kb|mb|kilobytes|percent)(_|$)")
# Keys of interfaces, addresses and names of people are none of them.
LABELS = {
    "node", "role", "epoch", "interface", "peer", "name", "kind", "of", "downstream", "file",
    "result", "version", "python",
}  # fmt: skip


def table(families) -> str:
    """Return a table as the document has it."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{it.name}` | {it.kind} | {', '.join(f'`{one}`' for one in it.labels)} | {it.help} |"
        for it in families
    ]
    return "\n".join(rows)


@pytest.mark.parametrize("title", TABLES)
def test_the_document_lists_every_family(title):
    """Name, type, labels and meaning are those of the code."""
    assert f"## {title}\n\n{table(TABLES[title])}\n" in DOCUMENT.read_text()


def test_the_document_lists_nothing_else():
    """A metric that is gone is gone from the document."""
    documented = set(re.findall(r"^\| `(wig_\w+)`", DOCUMENT.read_text(), re.MULTILINE))

    assert documented == {family.name for family in ALL}


@pytest.mark.parametrize("family", ALL, ids=[family.name for family in ALL])
def test_names_follow_the_conventions(family):
    """`wig_`, base units, `_total` for counters and only for them, help as a sentence."""
    assert re.fullmatch(r"wig_[a-z_]+", family.name)
    assert family.kind in {COUNTER, GAUGE, HISTOGRAM}
    assert family.name.endswith("_total") == (family.kind == COUNTER)
    assert not NOT_BASE.search(family.name)
    assert family.kind != HISTOGRAM or family.name.endswith(BASE_UNITS)
    assert family.help[0].isupper()
    assert family.help.endswith(".")
    assert set(family.labels) <= LABELS


def test_names_are_used_once():
    """Two families of one name would be one metric with two meanings."""
    assert len({family.name for family in ALL}) == len(ALL)


def test_values_of_one_family_stand_together():
    """Whatever the order in which parts tell them."""
    first = Family("wig_a_total", COUNTER, "A.", ("x",))
    second = Family("wig_b", GAUGE, "B.")

    text = metrics.text([first.of(1, "i"), second.of(2.5), first.of(3, "j")]).decode()

    assert text == (
        "# HELP wig_a_total A.\n# TYPE wig_a_total counter\n"
        'wig_a_total{x="i"} 1.0\nwig_a_total{x="j"} 3.0\n'
        "# HELP wig_b B.\n# TYPE wig_b gauge\nwig_b 2.5\n"
    )


def test_a_histogram_counts_up_to_each_bound():
    """A value at a bound belongs to it; buckets are cumulative."""
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7):
        histogram.observe(value)
    family = Family("wig_h_seconds", HISTOGRAM, "H.", ("x",))

    (parsed,) = text_string_to_metric_families(metrics.text([family.of(histogram, "i")]).decode())
    values = {(it.name, it.labels.get("le")): it.value for it in parsed.samples}

    assert values == {
        ("wig_h_seconds_bucket", "0.1"): 2,
        ("wig_h_seconds_bucket", "1.0"): 3,
        ("wig_h_seconds_bucket", "+Inf"): 4,
        ("wig_h_seconds_count", None): 4,
        ("wig_h_seconds_sum", None): pytest.approx(7.65),
    }
    assert histogram.count == 4


def test_labels_are_those_of_the_family():
    """A forgotten one is a defect."""
    with pytest.raises(AssertionError, match="wig_a has labels"):
        Family("wig_a", GAUGE, "A.", ("x",)).of(1)


def expressions() -> dict[str, str]:
    """Return the expressions of dashboard and alert rules, by where they are."""
    deploy = DOCUMENT.parents[1]
    dashboard = json.loads((deploy / "grafana" / "wig.json").read_text())
    found = {
        panel["title"]: " ".join(target["expr"] for target in panel["targets"])
        for panel in dashboard["panels"]
    }
    return found | {"rules": (deploy / "prometheus" / "wig.rules.yml").read_text()}


@pytest.mark.parametrize("where", expressions())
def test_dashboard_and_rules_ask_for_what_there_is(where):
    """A metric that was renamed would leave a panel empty, and an alert silent."""
    known = {family.name for family in ALL}
    known |= {f"{family.name}_bucket" for family in ALL if family.kind == HISTOGRAM}

    assert set(re.findall(r"\bwig_[a-z_]+\b", expressions()[where])) <= known

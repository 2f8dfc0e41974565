"""The page about several machines; tests/acceptance/test_backup.py runs its commands."""

import re

from tests.support.documents import ROOT, code, prose, rows

SCALE = ROOT / "docs" / "scale.md"


def test_every_row_of_failures_names_a_test():
    """A test of that name is in that file."""
    failures = rows(SCALE, "failure")
    assert len(failures) > 10
    for *_, tested_by in failures:
        (named,) = code(tested_by)
        path, _, function = named.partition("::")
        tests = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {function}\(", tests, re.MULTILINE), named


def test_it_counts_the_connections_of_a_process_once():
    """The list of settings and the table of sizes agree, for people who set `max_connections`."""
    (said,) = re.findall(r"at most (\w+)\]\(#the-catalog-in-postgres", prose(SCALE))
    assert f"A process opens at most {said} connections" in prose(SCALE)

"""The access log: what a line is made of."""

import logging

from stills.http.access_log import AccessLogEntry, set_up_logs


def test_a_path_can_t_pretend_to_be_other_values(capsys):
    """In the text format a space ends a value, and a line break would end the line."""
    set_up_logs("text")
    try:
        entry = AccessLogEntry("1", "GET", "/x status=200 key=admin\nid=2", status=404)
        logging.getLogger("stills.http").info("request", extra={"entry": entry})
    finally:
        logging.getLogger().handlers.clear()
        logging.getLogger("stills.http").setLevel(logging.NOTSET)
    (line,) = capsys.readouterr().err.splitlines()
    values = [value for value in line.split() if value.startswith(("status=", "key=", "id="))]
    assert values == ["id=1", "status=404"]

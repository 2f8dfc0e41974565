"""`stills worker`: what ends it."""

import pytest

from stills.cli.commands import worker
from stills.cli.main import build_parser


@pytest.mark.parametrize("broken", ["_recover_at_times", "_deliver_webhooks"])
def test_a_worker_ends_if_a_part_of_it_fails(monkeypatch, tmp_path, broken):
    """It would otherwise never send a webhook, or finish an image, again."""

    async def fail(*_: object) -> None:
        raise RuntimeError("a fault in the code")

    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path))
    monkeypatch.setenv("STILLS_WEBHOOK_SECRET", "whsec_" + "c2VjcmV0" * 4)
    monkeypatch.setattr(worker, broken, fail)
    options = build_parser().parse_args(["worker", "--sandbox", "--port", "0"])
    with pytest.raises(RuntimeError, match="a fault in the code"):
        worker.run(options)

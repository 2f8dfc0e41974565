"""Asking for confirmation on a terminal."""

import asyncio
import io
import signal

import pytest

from stills.cli.commands.question import ask


class Terminal(io.StringIO):
    """A terminal whose user presses Ctrl-C as soon as there is a question."""

    def isatty(self):
        return True

    def write(self, text):
        if "[y/N]" in text:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_ctrl_c_right_after_the_question_ends_it(monkeypatch):
    """No answer is read: asyncio would wait for one until the second Ctrl-C."""
    answers = Terminal("y\n")
    monkeypatch.setattr("sys.stdin", answers)
    monkeypatch.setattr("sys.stderr", Terminal())

    async def delete():
        return ask("Delete?", piped=False)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(delete())
    assert answers.tell() == 0

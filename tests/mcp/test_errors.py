"""Errors in words for agents."""

import re
from collections.abc import Iterator

import pytest

from stills.contract import errors
from stills.contract.errors import Billing, Remedy, StillsError
from stills.mcp.errors import LOCAL_ACTIONS, REMOTE_ACTIONS, describe_error

OPTION = re.compile(r"--[a-z]|STILLS_|DASHSCOPE_")


def branches(kind: type[StillsError]) -> Iterator[type[StillsError]]:
    yield kind
    for leaf in kind.__subclasses__():
        yield from branches(leaf)


@pytest.mark.parametrize("kind", list(branches(StillsError)), ids=lambda kind: kind.__name__)
def test_a_remote_agent_reads_no_option_and_nothing_private(kind: type[StillsError]):
    """It can't set options or variables of this machine, and must not learn its paths."""
    text = describe_error(kind(), is_remote=True)
    assert not OPTION.search(text)
    private = kind("/srv/secret of account 4711")
    assert ("secret" in describe_error(private, is_remote=True)) is kind.is_public


def test_every_remedy_has_a_sentence_for_remote_agents():
    """The table is complete, and each entry is a sentence."""
    assert set(REMOTE_ACTIONS) == set(Remedy)
    for sentence in (*REMOTE_ACTIONS.values(), *LOCAL_ACTIONS.values()):
        assert re.fullmatch(r"[A-Zi].+\.", sentence)


@pytest.mark.parametrize("is_remote", [True, False])
def test_an_agent_always_reads_what_happened_to_the_money(is_remote: bool):
    """The sentence on money comes between what happened and what to do."""
    lost = errors.ConnectionLost("it broke", billing=Billing.POSSIBLE, request_id="r-1")
    text = describe_error(lost, is_remote=is_remote)
    assert text.startswith("connection_lost: it broke (request id r-1). It may have been billed. ")
    assert "both may be billed." in text
    dead = errors.LinkDead("404", billing=Billing.BILLED)
    assert describe_error(dead, is_remote=is_remote) == (
        "link_dead: 404. It was billed. Call again with the same arguments: the image that was "
        "billed is finished free."
    )


def test_only_a_local_agent_is_offered_a_path_as_reference():
    """A path of another machine means nothing here."""
    wrong = errors.InvalidReference("it is empty")
    assert "a path" in describe_error(wrong, is_remote=False)
    assert "a path" not in describe_error(wrong, is_remote=True)


def test_a_local_agent_reads_the_action_of_the_case():
    """It works on the operator's machine, so the operator's words apply."""
    error = errors.StoreRefused("disk full", action="Free up space in /srv/images.")
    assert describe_error(error, is_remote=False).endswith("Free up space in /srv/images.")
    assert "/srv" not in describe_error(error, is_remote=True)

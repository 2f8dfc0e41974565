"""The tree of errors."""

import copy
import pickle
import re
import traceback

import pytest

from stills.contract import errors
from stills.contract.errors import (
    AnswerTimeout,
    Billing,
    BudgetExceeded,
    CatalogDamaged,
    ConfigError,
    ConnectionLost,
    DamagedImage,
    DeadlineExceeded,
    InvalidReference,
    InvalidRequest,
    LinkDead,
    NoImage,
    RateLimited,
    Remedy,
    ServiceUnavailable,
    StillsError,
    UnexpectedAnswer,
    WrongKey,
    tree,
)
from stills.ratelimit.limiter import StartTooLate

CLASSES = [
    one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, StillsError)
]


def documented_tree() -> dict[str, str | None]:
    """Read each class and its parent from the drawing in the module's docstring."""
    parents: dict[str, str | None] = {"StillsError": None}
    at_depth = {0: "StillsError"}
    for line in (tree.__doc__ or "").splitlines():
        drawn = re.match(r"([│ ]*)[├└]── (\w+)", line)
        if drawn:
            depth = len(drawn[1]) // 4 + 1
            at_depth[depth] = drawn[2]
            parents[drawn[2]] = at_depth[depth - 1]
    return parents


def test_the_docstring_draws_the_whole_tree():
    """Every class is drawn under its parent, and no other class is drawn."""
    built = {
        one.__name__: None if one is StillsError else one.__bases__[0].__name__ for one in CLASSES
    }
    assert documented_tree() == built


def test_the_package_exports_exactly_what_it_names():
    """Each class of the tree is re-exported, once."""
    public = {name for name, one in vars(errors).items() if getattr(one, "__module__", None)}
    assert len(errors.__all__) == len(set(errors.__all__))
    assert {name for name in public if not name.startswith("_")} <= set(errors.__all__)
    assert {one.__name__ for one in CLASSES} <= set(errors.__all__)


def test_codes_are_unique_words():
    """Programs distinguish errors by their codes."""
    codes = [one.code for one in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("error_class", CLASSES)
class TestEachError:
    def test_it_says_what_happened_and_what_to_do(self, error_class):
        """The class docstring is the default message, and the action is a sentence."""
        error = error_class()
        assert error.message == str(error) == error_class.__doc__.splitlines()[0]
        assert re.fullmatch(r"[A-Z].+\.", error.message)
        assert re.fullmatch(r"[A-Z].+\.", error.action)
        assert isinstance(error.retryable, bool)
        assert error.billing is Billing.NONE

    def test_it_has_its_own_code_and_docstring(self, error_class):
        """Nothing that identifies the error is inherited by accident."""
        assert "code" in vars(error_class)
        assert error_class.__doc__ not in {base.__doc__ for base in error_class.__mro__[1:]}

    def test_it_survives_pickling_and_copying(self, error_class):
        """Process pools pass errors on with all their attributes."""
        error = error_class("the message")
        vars(error).update(
            action="Do that.", billing=Billing.POSSIBLE, request_id="r-1", added="more"
        )
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(twin) is error_class
            assert str(twin) == "the message"
            assert vars(twin) == vars(error)

    def test_no_attribute_of_it_can_be_set_or_deleted(self, error_class):
        """An error that several callers share stays the same; only Python adds to it."""
        error = error_class("the message")
        own = vars(error).keys() - {"__notes__"}
        for name in (*own, "code", "retryable", "args", "new"):
            with pytest.raises(AttributeError):
                setattr(error, name, "changed")
            with pytest.raises(AttributeError):
                delattr(error, name)
        with pytest.raises(error_class) as raised:
            raise error from OSError("disk")
        assert raised.value is error
        error.add_note("a note")
        assert error.__traceback__ is not None
        assert (str(error), str(error.__cause__)) == ("the message", "disk")

    def test_a_changed_copy_keeps_every_other_attribute(self, error_class):
        """So do the traceback, the cause and the notes; the original stays as it was."""
        try:
            raise error_class("the message") from OSError("disk")
        except StillsError as caught:
            error = caught
        error.add_note("a note")
        before = dict(vars(error))
        for name in before.keys() - {"__notes__", "action", "billing"}:
            copied = error.with_(**{name: "changed"})
            assert type(copied) is error_class
            assert vars(copied) == before | {name: "changed"}
            assert str(copied) == copied.message
            assert copied.__cause__ is error.__cause__
            assert copied.__traceback__ is error.__traceback__
            copied.add_note("another")
        assert vars(error) == before
        assert error.__notes__ == [error.default_action, "a note"]

    def test_a_traceback_says_what_to_do_and_what_was_billed(self, error_class):
        """A script that catches nothing shows it to its user, also after a change."""
        _, *shown = traceback.format_exception_only(error_class("the message"))
        assert shown == [f"{error_class.default_action}\n"]
        copied = error_class("a").with_(action="Retry.", billing=Billing.POSSIBLE)
        copied.add_note("a note")
        again = pickle.loads(pickle.dumps(copied)).with_(message="b")
        _, *shown = traceback.format_exception_only(again)
        assert shown == ["Possibly billed. Retry.\n", "a note\n"]

    def test_a_changed_copy_can_be_pickled(self, error_class):
        """Its attributes are those of the copy."""
        copied = error_class("a").with_(message="b", billing=Billing.BILLED)
        twin = pickle.loads(pickle.dumps(copied))
        assert (str(twin), vars(twin)) == ("b", vars(copied))


def test_every_error_outside_the_tree_is_frozen_too():
    """Also private ones, such as a request start that comes too late."""
    error = StartTooLate("m", retry_after_seconds=1.5)
    with pytest.raises(AttributeError):
        error.retry_after_seconds = 2.0
    assert error.with_(billing=Billing.POSSIBLE).retry_after_seconds == 1.5


def test_only_attributes_of_the_class_can_be_changed():
    """A mistyped name, or one of another class, is a mistake in the program."""
    with pytest.raises(TypeError, match="StillsError has no attribute field"):
        StillsError("m").with_(field="size")


@pytest.mark.parametrize("name", ["billing", "shared_billing"])
def test_no_program_retries_what_may_be_billed(name):
    """Neither the request that made the call nor one that waited for it can be repeated."""
    error = ConnectionLost("m")
    assert error.can_repeat
    assert not error.with_(**{name: Billing.POSSIBLE}).can_repeat
    assert not InvalidRequest("m").can_repeat


def test_given_attributes_override_defaults():
    """Message, action and billing describe the case."""
    error = StillsError("m", action="Act.", billing=Billing.BILLED, request_id="r")
    assert (error.message, error.action) == ("m", "Act.")
    assert (error.billing, error.request_id) == (Billing.BILLED, "r")
    assert InvalidRequest("m", field="size").field == "size"
    assert RateLimited(retry_after_seconds=2.5).retry_after_seconds == 2.5


@pytest.mark.parametrize("error_class", CLASSES)
def test_what_a_stranger_reads_hides_what_is_not_public(error_class):
    """A private message never leaves; a public one is the operator's own."""
    error = error_class("/srv/secret belongs to account 4711")
    hidden = "secret" not in error.public_message
    assert hidden is not error_class.is_public
    assert re.fullmatch(r"[A-Z].+\.", error_class.default_public_message())
    assert "secret" not in error.public_action


def test_private_branches_stay_private():
    """Storage, tools, settings and the account with the provider are the operator's business."""
    private = {one.__name__ for one in CLASSES if not one.is_public}
    branches = (errors.StorageError, errors.ToolError, errors.AccessError, ConfigError)
    public = {"KeyRefused", "ModelNotServed"}
    assert private == {one.__name__ for one in CLASSES if issubclass(one, branches)} - public
    assert WrongKey("m").public_message == "The provider refuses this service's account."
    assert CatalogDamaged("m").public_message == "The catalog's file is damaged."


def test_a_request_error_has_advice_for_everyone():
    """What was written for the case names only fields; general advice depends on the front end."""
    assert InvalidRequest("m", action="Write it as W*H.").public_action == "Write it as W*H."
    assert InvalidRequest("m").public_action == ""
    assert InvalidReference("m").public_action == ""
    assert ConfigError("m", action="Set STILLS_STORE.").public_action == ""
    assert BudgetExceeded("m", action="Raise --max-cost.").public_action == ""


def test_what_helps_depends_on_the_money():
    """A retry is free after a billed call, and may bill twice if the outcome is unknown."""
    for error in (ServiceUnavailable("m"), UnexpectedAnswer("m"), RateLimited("m")):
        assert error.remedy is error.default_remedy
        assert error.with_(billing=Billing.POSSIBLE).remedy is Remedy.RETRY_MAY_BILL_TWICE
        assert error.with_(billing=Billing.BILLED).remedy is Remedy.RETRY_FREE
    assert DeadlineExceeded("m").remedy is Remedy.ALLOW_TIME
    assert DeadlineExceeded("m", billing=Billing.BILLED).remedy is Remedy.RETRY_FREE
    assert AnswerTimeout("m").remedy is Remedy.RETRY_MAY_BILL_TWICE
    for error in (DamagedImage("m"), LinkDead("m")):
        assert error.with_(billing=Billing.BILLED).remedy is Remedy.RETRY_FREE
    assert NoImage("m").with_(billing=Billing.POSSIBLE).remedy is Remedy.REPHRASE


def test_every_remedy_is_some_errors_remedy():
    """No remedy is listed that nothing needs."""
    by_class = {one.default_remedy for one in CLASSES}
    assert by_class | {Remedy.RETRY_FREE, Remedy.RETRY_MAY_BILL_TWICE} == set(Remedy)

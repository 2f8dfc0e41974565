"""What a user sees when the service refuses: one line, an exit code, no bill."""

import pytest

KITE = ["generate", "a red kite", "--size", "1024*1024", "--seed", "1"]


def refused(run, service, variables=None, *more: str):
    done = run(*KITE, *more, variables=service.variables | (variables or {}))
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
    return done


def test_a_sandbox_in_another_process_is_selected_by_its_key_and_url(run, service):
    """The variables that `stills sandbox` prints are enough; its images are marked."""
    made = run(*KITE, variables=service.variables)
    assert made.returncode == 0, made.stderr
    assert "/sandbox-a-red-kite-1024x1024" in made.stdout
    assert service.billed() == 1


def test_a_size_the_model_does_not_make_is_replaced_by_a_native_one(run, service):
    """The service would reject 1024*1024."""
    run(*KITE, variables=service.variables)
    assert [send["size"] for send in service.ledger()["sends"] if send["size"]] == ["1328*1328"]


def test_a_wrong_key_has_its_own_error(run, service):
    """It says to check the key and its region, and does not show the key."""
    variables = {"DASHSCOPE_API_KEY": "sk-swordfish", "STILLS_MODEL": "qwen-image-2.0"}
    done = refused(run, service, variables)
    assert done.returncode == 3
    assert "region" in done.stderr
    assert "swordfish" not in done.stderr


def test_a_retired_default_is_warned_of_before_a_call_that_costs_money(run, service):
    """Standard error says so first, and how to choose another model."""
    done = run(*KITE, variables=service.variables | {"DASHSCOPE_API_KEY": "sk-swordfish"})
    warning, error = done.stderr.splitlines()
    assert warning.startswith("qwen-image-max was retired on 2026-10-10, according to notices")
    assert "Choose another model with --model" in warning
    assert error.startswith("stills: ")


@pytest.mark.parametrize(
    ("key", "words"), [("sk-sandbox-denied", "Activate"), ("sk-sandbox-overdue", "Settle")]
)
def test_a_key_without_rights_is_exit_code_3(run, service, key: str, words: str):
    """Access denied, and an overdue account."""
    done = refused(run, service, {"DASHSCOPE_API_KEY": key})
    assert done.returncode == 3
    assert words in done.stderr


def test_a_retired_model_is_not_replaced_but_its_successor_is_named(run, start_service):
    """The caller chooses, by exact id."""
    service = start_service("--retired", "qwen-image-max")
    done = refused(run, service)
    assert done.returncode == 3
    assert "2026-10-10, according to notices; its successor is qwen-image-2.0" in done.stderr
    assert "--model" in done.stderr
    chosen = run(*KITE, variables=service.variables | {"STILLS_MODEL": "qwen-image-2.0"})
    assert chosen.returncode == 0, chosen.stderr


@pytest.mark.parametrize(
    ("fault", "code", "sends"),
    [
        ({"kind": "content_refused"}, 6, 1),
        ({"kind": "quota_exhausted"}, 4, 1),
        ({"kind": "free_tier_used"}, 4, 1),
        ({"kind": "prepaid_overdue"}, 3, 1),
        ({"kind": "not_purchased", "compatible": True}, 3, 1),
        ({"kind": "model_not_exist"}, 3, 1),
        ({"kind": "ip_infringement", "compatible": True}, 6, 1),
        ({"kind": "throttled", "retry_after_seconds": 3600}, 4, 1),
        ({"kind": "error_in_200"}, 5, 3),
        ({"kind": "no_image"}, 5, 2),
    ],
)
def test_each_refusal_has_its_exit_code_and_no_bill(
    run, service, fault: dict, code: int, sends: int
):
    """3 for the account, 4 for limits, 5 for the service, 6 for content."""
    service.set_faults(fault | {"times": None})
    done = refused(run, service)
    assert done.returncode == code
    assert service.billed() == 0
    assert service.ledger()["totals"]["generations"] == sends


def test_an_unreachable_service_is_exit_code_5(run, service):
    """Nothing was sent, and the error names the variable to check."""
    done = refused(run, service, {"DASHSCOPE_HTTP_BASE_URL": "http://127.0.0.1:9/api/v1"})
    assert done.returncode == 5
    assert "DASHSCOPE_HTTP_BASE_URL" in done.stderr


def test_a_deadline_ends_a_slow_answer(run, service):
    """The error says that the call may have been billed."""
    service.set_faults({"kind": "slow", "delay_seconds": 3600, "times": None})
    for seconds in (2, 4, 8, 16, 32):  # on a slow machine the shorter ones end before the call
        done = refused(run, service, {"STILLS_DEADLINE_SECONDS": str(seconds)}, "--fresh")
        assert done.returncode == 5
        if service.ledger()["totals"]["generations"]:
            break
    assert "[possibly billed]" in done.stderr

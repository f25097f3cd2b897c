"""What replicas report is kept, and goes on in who comes after them."""

import pytest

pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster` has it")

from service.cluster.ledger import Counted, Ledger


def test_a_replica_reads_what_all_others_reported_last() -> None:
    ledger = Ledger()
    for owner, counted in (("one", b"1"), ("two", b"2"), ("one", b"11")):
        ledger.report(owner, counted)
    assert ledger.others("two") == Counted(living=[b"11"], ended=[])
    assert ledger.others("nobody") == Counted(living=[b"11", b"2"], ended=[])


def test_what_one_that_stopped_counted_stays_until_another_counts_on() -> None:
    ledger = Ledger()
    ledger.report("one", b"1")
    ledger.leave("one", b"11")
    assert ledger.others("two") == Counted(living=[], ended=[b"11"])
    assert ledger.join("two") == b"11"
    assert ledger.join("three") is None
    assert ledger.others("two") == Counted(living=[], ended=[])


def test_one_that_is_silent_for_too_long_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    ledger.report("one", b"1")
    assert ledger.join("two") is None
    monkeypatch.setattr("service.cluster.ledger.PATIENCE_SECONDS", -1.0)
    assert ledger.join("two") == b"1"


def test_a_ledger_that_was_started_again_learns_from_the_reports() -> None:
    ledger = Ledger()
    ledger.report("old", b"5")
    assert ledger.others("new") == Counted(living=[b"5"], ended=[])

"""Where an operation stands."""

from __future__ import annotations

from enum import StrEnum

from django_vzaps.models.operation import Operation, OperationOutcome


class OperationPhase(StrEnum):
    """Where an operation stands, told apart more finely than by its outcome."""

    RUNNING = "running"
    OVERDUE = "overdue"
    #: A page of VZaps' is open, on which somebody has to pay.
    CHECKOUT = "checkout"
    #: VZaps, or a person, said that it was carried out; nothing that was read shows it yet.
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    #: VZaps said that it was carried out, and nobody waits for more.
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    #: A person's word stands for VZaps'.
    SAID_DONE = "said-done"
    SAID_NOT_DONE = "said-not-done"
    #: Written by a newer version.
    OTHER = "other"


def phase_of(operation: Operation) -> OperationPhase:
    """Where it stands."""
    match operation.outcome:
        case OperationOutcome.RUNNING:
            return OperationPhase.OVERDUE if operation.is_overdue else OperationPhase.RUNNING
        case OperationOutcome.UNKNOWN:
            return OperationPhase.UNKNOWN
        case OperationOutcome.FAILED:
            return OperationPhase.SAID_NOT_DONE if operation.settled_by_id else OperationPhase.FAILED
        case OperationOutcome.SUCCEEDED:
            return _succeeded(operation)
        case _:
            return OperationPhase.OTHER


def _succeeded(operation: Operation) -> OperationPhase:
    if operation.confirmed_at is not None:
        return OperationPhase.VERIFIED
    if operation.lock is not None:
        return OperationPhase.CHECKOUT if operation.checkout_url else OperationPhase.UNVERIFIED
    return OperationPhase.SAID_DONE if operation.settled_by_id else OperationPhase.DONE

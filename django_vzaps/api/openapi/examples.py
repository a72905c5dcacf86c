"""One shop's number, as it looks in every answer."""

from __future__ import annotations

from typing import Any, Final

_SITE: Final = "https://shop.example/api/vzaps"
INSTANCE_ID: Final = "VZ3F9K2QX7LM"
KEY: Final = "9f1c7e0a-2b64-4d58-9f0e-6f4f0a1d2c3b"
BATCH_ID: Final = "3d2a1f60-7c55-4e0b-8a5e-0f5b6a7c8d9e"

ACCOUNT: Final[dict[str, Any]] = {
    "id": 1,
    "url": f"{_SITE}/accounts/1/",
    "name": "default",
    "is_active": True,
    "credentials": "stored",
    "is_syncing": False,
    "synced_at": "2026-11-25T11:58:03.120000Z",
    "sync_error": None,
}
CONNECTION: Final[dict[str, Any]] = {
    "state": "connected",
    "source": "api",
    "confirmed_at": "2026-11-25T11:58:03.120000Z",
    "since": "2026-11-20T08:12:46.310000Z",
    "is_doubtful": False,
    "connected_at": "2026-11-20T08:12:44Z",
    "phone": "491512345678",
    "whatsapp_jid": "491512345678@s.whatsapp.net",
    "push_name": "Corner shop",
}
SUBSCRIPTION: Final[dict[str, Any]] = {
    "state": "active",
    "billing_status": "active",
    "mode": "subscription",
    "checkout_url": None,
    "cancel_at": None,
    "expired_at": None,
    "ends_at": None,
    "refreshed_at": "2026-11-25T11:58:03.120000Z",
}
_SIDE: Final[dict[str, Any]] = {"host_and_path": "shop.example/vzaps/webhooks/…", "events": ["Message", "Connected"]}
WEBHOOK: Final[dict[str, Any]] = {
    "health": "ok",
    "is_managed": True,
    "desired": _SIDE,
    "actual": _SIDE,
    "drift": [],
    "checked_at": "2026-11-25T11:58:03.120000Z",
    "last_failure_at": None,
}
INSTANCE: Final[dict[str, Any]] = {
    "id": INSTANCE_ID,
    "url": f"{_SITE}/instances/{INSTANCE_ID}/",
    "name": "Front desk",
    "account": {"id": 1, "name": "default"},
    "owner": "maria",
    "status": "active",
    "dashboard_url": None,
    "reject_calls": False,
    "auto_read_messages": False,
    "labels": {"shop": "Berlin"},
    "connection": CONNECTION,
    "subscription": SUBSCRIPTION,
    "webhook": WEBHOOK,
    "last_event_at": "2026-11-25T11:57:40.002000Z",
    "created_at": "2026-10-02T09:00:00Z",
    "updated_at": "2026-11-20T08:12:44Z",
    "first_seen_at": "2026-10-02T09:00:01.500000Z",
    "synced_at": "2026-11-25T11:58:03.120000Z",
    "removed_at": None,
}
OPERATION: Final[dict[str, Any]] = {
    "id": 812,
    "url": f"{_SITE}/operations/812/",
    "kind": "subscription.subscribe",
    "instance": INSTANCE_ID,
    "account": 1,
    "batch": None,
    "actor": "maria",
    "outcome": "succeeded",
    "phase": "verified",
    "is_settled": True,
    "parameters": {},
    "answer": {"mode": "subscription"},
    "effect": {
        "billing_status": "active",
        "cancel_at": None,
        "expired_at": None,
        "read_at": "2026-11-25T12:00:02.310000Z",
    },
    "checkout_url": None,
    "error": None,
    "request_id": "req_9c1f",
    "started_at": "2026-11-25T12:00:01.040000Z",
    "deadline": "2026-11-25T12:01:31.040000Z",
    "finished_at": "2026-11-25T12:00:01.900000Z",
    "confirmed_at": "2026-11-25T12:00:02.310000Z",
    "settled_by": None,
}
UNSETTLED: Final[dict[str, Any]] = OPERATION | {
    "outcome": "unknown",
    "phase": "unknown",
    "is_settled": False,
    "answer": None,
    "effect": None,
    "error": "VZaps did not answer in time.",
    "request_id": None,
    "finished_at": None,
    "confirmed_at": None,
}
EVENT: Final[dict[str, Any]] = {
    "id": 90412,
    "url": f"{_SITE}/events/90412/",
    "instance": INSTANCE_ID,
    "type": "Message",
    "state": "done",
    "source": "webhook",
    "message_id": "3EB0A1B2C3",
    "chat": "491701234567@s.whatsapp.net",
    "duplicates": 0,
    "revision_of": None,
    "received_at": "2026-11-25T11:57:40.002000Z",
    "occurred_at": "2026-11-25T11:57:39Z",
    "retry_at": None,
}
EVENT_DETAIL: Final[dict[str, Any]] = EVENT | {
    "payload": {"type": "Message", "event": {"Info": {"ID": "3EB0A1B2C3"}, "Message": {"conversation": "ping"}}},
    "runs": [
        {
            "handler": "shop.vzaps_handlers.answer_ping",
            "state": "done",
            "attempts": 1,
            "started_at": "2026-11-25T11:57:40.210000Z",
            "duration": 0.182,
            "error": None,
        }
    ],
}
ALERT: Final[dict[str, Any]] = {
    "id": 31,
    "url": f"{_SITE}/alerts/31/",
    "kind": "disconnected",
    "is_open": True,
    "title": "Front desk is disconnected",
    "meaning": "It neither sends nor receives messages.",
    "advice": "Restart it. If it stays disconnected, pair it again: scan the QR code with its phone.",
    "instance": INSTANCE_ID,
    "instance_url": f"{_SITE}/instances/{INSTANCE_ID}/",
    "account": None,
    "account_url": None,
    "since": "2026-11-25T11:40:00Z",
    "raised_at": "2026-11-25T11:45:00.250000Z",
    "resolved_at": None,
}
CHANGE: Final[dict[str, Any]] = {
    "id": 2204,
    "field": "connected",
    "label": "connected",
    "old": True,
    "new": False,
    "source": "webhook",
    "at": "2026-11-25T11:40:00.120000Z",
}
BATCH: Final[dict[str, Any]] = {
    "id": BATCH_ID,
    "url": f"{_SITE}/batches/{BATCH_ID}/",
    "items_url": f"{_SITE}/batches/{BATCH_ID}/items/",
    "kind": "restart",
    "actor": "maria",
    "is_finished": False,
    "progress": {
        "total": 2,
        "ended": 0,
        "waiting": 2,
        "running": 0,
        "succeeded": 0,
        "failed": 0,
        "unknown": 0,
        "stopped": 0,
    },
    "retry_of": None,
    "created_at": "2026-11-25T12:00:00.500000Z",
    "finished_at": None,
}
BATCH_ITEM: Final[dict[str, Any]] = {
    "instance": INSTANCE_ID,
    "account": None,
    "state": "failed",
    "detail": "VZaps could not be reached. Check the network and VZaps' status page.",
    "operation": f"{_SITE}/operations/812/",
    "seen": 0,
    "expected": None,
    "started_at": "2026-11-25T12:00:01.040000Z",
    "finished_at": "2026-11-25T12:00:06.040000Z",
}
DELIVERIES: Final[dict[str, Any]] = {
    "page": 1,
    "total": 1,
    "has_next": False,
    "problems": [],
    "results": [
        {
            "id": "whl_71b2",
            "at": "2026-11-25T11:40:00Z",
            "event_type": "Message",
            "status": "failed",
            "is_failed": True,
            "attempts": 5,
            "response_code": 503,
            "error": "Service Unavailable",
            "event": None,
        }
    ],
}
PAIRING: Final[dict[str, Any]] = {
    "phase": "scan",
    "watch": "mZk2pQ0x1yB4vC7nD9sF3g",
    "is_live": True,
    "may_begin": True,
    "qr_code": "data:image/png;base64,iVBORw0KGgo…",
    "number": 1,
    "changes_at": "2026-11-25T12:00:20Z",
    "until": "2026-11-25T12:02:00Z",
    "look_again_after": 3,
    "message": None,
    "user": None,
}
HEALTH: Final[dict[str, Any]] = {
    "status": "ok",
    "failing": [],
    "connections": {"connected": 198, "disconnected": 1, "stale": 0, "never_paired": 1, "unknown": 0},
    "subscriptions": {
        "trialing": 0,
        "active": 199,
        "past_due": 1,
        "unpaid": 0,
        "canceled": 0,
        "paused": 0,
        "incomplete": 0,
        "unknown": 0,
    },
    "webhooks": {"ok": 198, "failing": 0, "drifted": 1, "not_set": 0, "unmanaged": 1, "unchecked": 0},
    "backlog": {"waiting": 3, "oldest_at": "2026-11-25T11:59:58Z", "age": 2.0, "untried_age": 2.0},
    "failed_events": 0,
    "unsettled_operations": 0,
    "open_alerts": {
        "disconnected": 1,
        "stale": 0,
        "webhook_drift": 1,
        "events_failing": 0,
        "events_waiting": 0,
        "subscription_ending": 0,
        "subscription_past_due": 1,
        "credentials_rejected": 0,
        "account_unreadable": 0,
    },
    "syncs": [{"account": "default", "synced_at": "2026-11-25T11:58:03.120000Z", "age": 117.38, "error": None}],
}

"""Accounts, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import ACCOUNT, BATCH
from django_vzaps.api.openapi.problems import ASKING
from django_vzaps.api.serializers.accounts import AccountSerializer, CredentialsCheckedSerializer
from django_vzaps.api.serializers.batches import BatchSerializer
from django_vzaps.api.views.accounts import AccountViewSet

_SHOWN: Final = {200: Answer(means="The account.", shape=AccountSerializer, example=ACCOUNT)}

DESCRIBED: Final[Descriptions] = {
    AccountViewSet: {
        "list": Described(
            summary="List the accounts",
            description=(
                "The accounts at VZaps whose instances are managed here, by name. Their credentials go in and never "
                "come out: `credentials` says only where they are kept."
            ),
            answers={200: Answer(means="A page of accounts.", shape=AccountSerializer, is_page=True, example=ACCOUNT)},
        ),
        "create": Described(
            summary="Add an account",
            description="Both credentials are needed, but for the account whose credentials the settings have.",
            answers={
                201: Answer(
                    means="The account is added.", shape=AccountSerializer, example=ACCOUNT, location="the account"
                )
            },
            bodies={
                "A second account": {
                    "name": "franchise",
                    "client_token": "ct_live_4f9a2c",
                    "client_secret": "cs_live_77b01d",
                }
            },
        ),
        "retrieve": Described(
            summary="Look at an account", description="Nothing is asked of VZaps to show it.", answers=_SHOWN
        ),
        "partial_update": Described(
            summary="Change an account",
            description=(
                "What is not named stays as it is. New credentials replace the old ones; `check-credentials` tells "
                "whether VZaps takes them. An account that is not active is not synced, and its instances stay."
            ),
            answers=_SHOWN,
            bodies={"Do not sync it for now": {"is_active": False}, "Another name": {"name": "Franchise (Berlin)"}},
        ),
        "destroy": Described(
            summary="Forget an account",
            description="It is forgotten here; on VZaps nothing changes. One that has instances here stays.",
            answers={204: Answer(means="It is forgotten.")},
            problems=frozenset({"in-use"}),
        ),
        "check_credentials": Described(
            summary="Try the credentials",
            description="Asks VZaps for a list of one instance. Nothing changes, neither here nor there.",
            answers={
                200: Answer(means="VZaps accepts them.", shape=CredentialsCheckedSerializer, example={"instances": 42})
            },
            problems=ASKING - {"instance-removed", "unknown-to-vzaps"},
        ),
        "sync": Described(
            summary="Read all instances of an account from VZaps",
            description=(
                "It runs in the background: the answer is a batch to follow. Where a sync of the account is under way "
                "that you may see, it is that one."
            ),
            answers={
                202: Answer(
                    means="It is under way.",
                    shape=BatchSerializer,
                    example=BATCH | {"kind": "sync_account"},
                    location="the batch",
                )
            },
        ),
    }
}

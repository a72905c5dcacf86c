"""Accounts: the credentials with which instances are managed and paid for. They go in and never come out."""

from __future__ import annotations

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.links import link
from django_vzaps.api.pagination import Pages
from django_vzaps.api.serializers.accounts import AccountSerializer, CredentialsCheckedSerializer
from django_vzaps.api.views.base import ListViewSet
from django_vzaps.api.views.starting import StartsBatches
from django_vzaps.models import Account, Batch, BatchKind


class AccountViewSet(StartsBatches, ListViewSet):
    needs = {
        "list": [("view_account",)],
        "create": [("add_account",)],
        "retrieve": [("view_account",)],
        "partial_update": [("view_account", "change_account")],
        "destroy": [("view_account", "delete_account")],
        "check_credentials": [("view_account", "change_account")],
        "sync": [("view_account", "change_instance")],
    }
    bodies = {"create": AccountSerializer, "partial_update": AccountSerializer}
    filters = {"list": None}
    pagination_class = Pages

    def list(self, request: Request) -> Response:
        Account.objects.from_settings()
        return self.listed(Account.objects.order_by("name"), AccountSerializer)

    def create(self, request: Request) -> Response:
        serializer = self.body_serializer()
        serializer.is_valid(raise_exception=True)
        account = serializer.save()
        response = self.shown(AccountSerializer, account, status=201)
        response["Location"] = link(request, "account", account.pk)
        return response

    def retrieve(self, request: Request, pk: int) -> Response:
        return self.shown(AccountSerializer, self._account(pk))

    def partial_update(self, request: Request, pk: int) -> Response:
        serializer = self.body_serializer(self._account(pk), partial=True)
        serializer.is_valid(raise_exception=True)
        return self.shown(AccountSerializer, serializer.save())

    def destroy(self, request: Request, pk: int) -> Response:
        services.accounts.delete(self._account(pk))
        return Response(status=204)

    def check_credentials(self, request: Request, pk: int) -> Response:
        self.body()
        return self.shown(
            CredentialsCheckedSerializer, {"instances": services.accounts.check_credentials(self._account(pk))}
        )

    def sync(self, request: Request, pk: int) -> Response:
        self.body()
        account = self._account(pk)
        batch = self._running_sync(account)
        if batch is None:
            if account.is_syncing:
                # Such as by the schedule: a batch would only fail.
                raise services.SyncRunning(_("The account “%s” is being synced already.") % account.name)
            batch = services.batches.start(BatchKind.SYNC_ACCOUNT, [account.pk], actor=self.actor)
        return self.started(batch)

    def _account(self, pk: int) -> Account:
        account = Account.objects.filter(pk=pk).first()
        if account is None:
            raise Http404
        return account

    def _running_sync(self, account: Account) -> Batch | None:
        """One that is under way already, which the user may see."""
        rows = services.batches.visible(self.request.user, Batch.objects.select_related("actor", "retry_of"))
        return rows.filter(kind=BatchKind.SYNC_ACCOUNT, finished_at__isnull=True, items__account=account).first()

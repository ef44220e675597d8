"""Taking the trail out of the house, and asking whether it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST

from audit import anchors, checking, exports
from audit.actions import AuditAction
from audit.actors import Actor
from audit.models import AuditHead
from audit.recording import record
from tenants.admin_access import rows_for, shops_with
from tenants.models import Shop
from tenants.roles import Action, Grant, Role, grant
from tenants.support import note_read

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

PLATFORM = "platform"
_MOST_LISTED = 500
# What the verifier says; it stands alone and knows no gettext.
_PROBLEMS = (
    gettext_noop("It does not join the entry before it."),
    gettext_noop("It was changed after it was written."),
    gettext_noop("The end of the chain is not the one that was kept."),
    gettext_noop("The file of kept heads is gone."),
    gettext_noop("The file of kept heads was emptied."),
    gettext_noop("The file of kept heads was cut: lines are missing."),
)


@dataclass(frozen=True)
class ChainRow:
    """One chain in the list of them."""

    name: str
    slug: str
    seq: int
    may_download: bool

    @property
    def verify_url(self) -> str:
        return reverse("admin:audit_auditentry_verify", args=[self.slug])

    @property
    def download_url(self) -> str:
        return reverse("admin:audit_auditentry_download", args=[self.slug])


class ChainPages:
    """The pages beside the list: CSV of what it shows, and the chains whole."""

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Stream the entries that the list's filters leave, of the shops he may export of."""
        if not request.user.may_anywhere(Action.EXPORT) or not self.has_view_permission(request):
            raise PermissionDenied
        rows = rows_for(request.user, Action.EXPORT, self.fence, now=timezone.now())
        listed = self.get_changelist_instance(request).get_queryset(request)
        entries = listed.filter(rows).select_related("shop").order_by("shop", "seq")
        shops = list(entries.order_by("shop").values_list("shop", flat=True).distinct())
        self._note_export(request, shops, "csv")
        lines = exports.as_csv(entries, masked=self._exports_masked(request, shops))
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="audit.csv"'
        response["Cache-Control"] = "no-store"
        return response

    def chains_view(self, request: HttpRequest) -> TemplateResponse:
        """List the chains in sight, each with what may be done to it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Does it hold?"),
            "crumb": _("Does it hold?"),
            "original": _("Does it hold?"),
            "chains": self._chains(request),
            "has_anchors": anchors.is_on(),
            "loss": anchors.first_loss(),
        }
        return TemplateResponse(request, "admin/audit/auditentry/chains.html", context)

    @method_decorator(require_POST)
    def verify_view(self, request: HttpRequest, chain: str) -> HttpResponse:
        """Walk a chain from its first entry, and say where it breaks."""
        shop = self._shop_in_sight(request, chain)
        fault = checking.check_chain(shop.pk if shop else None)
        name = shop.name if shop else _("The platform")
        if fault is None:
            messages.success(request, _("%(name)s: the whole chain holds.") % {"name": name})
        else:
            said = {"name": name, "number": fault.seq, "problem": _(fault.problem)}
            text = _("%(name)s: entry %(number)s is the first that does not hold. %(problem)s")
            messages.error(request, text % said)
        _tell_loss(request)
        return HttpResponseRedirect(reverse("admin:audit_auditentry_chains"))

    def download_view(self, request: HttpRequest, chain: str) -> FileResponse:
        """Hand a shop's admin the chain, its key and the verifier."""
        shop = self._shop_in_sight(request, chain)
        if shop is None or not _may_download(request, shop):
            raise PermissionDenied
        self._note_export(request, [shop.pk], "chain")
        name = f"{shop.slug}-audit.zip"
        response = FileResponse(exports.as_archive(shop), as_attachment=True, filename=name)
        response["Cache-Control"] = "no-store"
        return response

    def _chains(self, request: HttpRequest) -> list[ChainRow]:
        shops = self._shops(request).order_by("name")[:_MOST_LISTED]
        seqs = dict(AuditHead.objects.values_list("shop", "seq"))
        rows = [
            ChainRow(shop.name, shop.slug, seqs.get(shop.pk, 0), _may_download(request, shop))
            for shop in shops
        ]
        if request.user.platform_role == Role.SUPER_ADMIN:
            rows.insert(0, ChainRow(_("The platform"), PLATFORM, seqs.get(None, 0), False))
        return rows

    def _shops(self, request: HttpRequest) -> QuerySet[Shop]:
        """Return the shops whose chain he sees whole: nobody who is bound to branches does."""
        shops = shops_with(request.user, Action.VIEW_AUDIT)
        bound = [each.shop_id for each in request.user.active_memberships if each.branch_ids]
        return shops if request.user.platform_role else shops.exclude(pk__in=bound)

    def _shop_in_sight(self, request: HttpRequest, chain: str) -> Shop | None:
        """Return the chain's shop, None for the platform's chain, or answer 404."""
        if chain == PLATFORM and request.user.platform_role == Role.SUPER_ADMIN:
            return None
        shop = self._shops(request).filter(slug=chain).first()
        if shop is None:
            raise Http404
        note_read(request, shop, shop_id=shop.pk, page=request.resolver_match.url_name)
        return shop

    def _note_export(self, request: HttpRequest, shop_ids: list[Any], what: str) -> None:
        for shop_id in sorted(shop_ids, key=str):
            role = request.user.role_in(shop_id)
            record(
                AuditAction.AUDIT_EXPORTED,
                Shop.objects.filter(pk=shop_id).first(),
                shop_id=shop_id,
                actor=Actor.from_user(request.user, request, role=role),
                now=timezone.now(),
                changes=[{"field": "export", "old": None, "new": what}],
            )

    def _exports_masked(self, request: HttpRequest, shop_ids: list[Any]) -> bool:
        granted = {grant(request.user.role_in(shop_id), Action.EXPORT) for shop_id in shop_ids}
        return Grant.MASKED in granted


def _tell_loss(request: HttpRequest) -> None:
    """Say that the file outside lost something: the chain may hold, and its witness is gone."""
    loss = anchors.first_loss()
    if loss is not None:
        text = _("%(problem)s Until it is put back, a cut tail would not be noticed.")
        messages.error(request, text % {"problem": _(loss.problem)})


def _may_download(request: HttpRequest, shop: Shop) -> bool:
    """Tell whether he may have the shop's chain and its key: its admin, and nobody else."""
    return request.user.role_in(shop.pk) == Role.ADMIN

"""
Import and export of configs: a file, its preview, and one press to apply it.

Between preview and press nothing is kept here: the file travels in the page, signed for this person
and shop, and is gone through again before it counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import payments.admin.shop_pages as shop_pages
from payments.admin.tables import table
from payments.services import config_files, config_imports
from payments.services.config_imports import CHANGED, NEW, UNCHANGED, ImportResult
from tenants.admin_looks import NONE, badge
from tenants.models import Shop
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest

PREVIEW_LASTS_S = 1800
_SALT = "payments.config_import"
_WHAT = {
    NEW: (gettext_lazy("New"), "good"),
    CHANGED: (gettext_lazy("Changed"), "warn"),
    UNCHANGED: (gettext_lazy("Unchanged"), "quiet"),
}


class UploadForm(forms.Form):
    """A file of configs; the service reads it."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        allow_empty_file=True,
        help_text=gettext_lazy("CSV or JSON as exported here. Secrets are never in it."),
    )

    def clean_file(self) -> bytes:
        file = self.cleaned_data["file"]
        if file.size > config_files.MAX_BYTES:
            raise forms.ValidationError(_("The file is too large."))
        return bytes(file.read())


class ApplyForm(forms.Form):
    """The signed file, and why where a reason is asked."""

    token = forms.CharField(widget=forms.HiddenInput, strip=False)


class FilePages:
    """Adds import and export to the admin of configs."""

    def import_view(self, request: HttpRequest) -> Any:
        """Take a file and show what it would do; or apply the one that was shown."""
        shop = shop_pages.pick_shop(request, Action.MANAGE_CONFIGS)
        if shop is None:
            return shop_pages.page(self, request, None, title=_("Import configs"))
        if request.method == "POST" and "token" in request.POST:
            return self._apply(request, shop)
        is_upload = request.method == "POST"
        form = UploadForm(request.POST, request.FILES) if is_upload else UploadForm()
        if form.is_valid():
            return self._preview(request, shop, form.cleaned_data["file"])
        return self._upload_page(request, shop, form)

    def export_view(self, request: HttpRequest) -> Any:
        """Hand out the configs this person sees, as CSV or JSON."""
        shop = shop_pages.pick_shop(request, Action.EXPORT)
        kind = request.GET.get("format", "")
        if shop is None or kind not in {"", "csv", "json"}:
            if shop is None:
                return shop_pages.page(self, request, None, title=_("Export configs"))
            raise Http404
        configs = shop_pages.configs_of(request, shop)
        if not kind:
            return self._export_page(request, shop, configs.count())
        return _download(shop, kind, configs)

    def _export_page(self, request: HttpRequest, shop: Shop, count: int) -> Any:
        choices = [
            {"label": label, "text": text, "url": f"?shop={shop.pk}&format={kind}"}
            for kind, label, text in (
                ("csv", "CSV", _("For a spreadsheet.")),
                ("json", "JSON", _("For another system.")),
            )
        ]
        hint = _("%(count)s configs. No secret is ever in the file.") % {"count": count}
        title = _("Export configs")
        return shop_pages.page(self, request, shop, title=title, hint=hint, choices=choices)

    def _upload_page(self, request: HttpRequest, shop: Shop, form: UploadForm) -> Any:
        return shop_pages.page(
            self,
            request,
            shop,
            title=_("Import configs"),
            hint=_("You see what the file would do before anything changes."),
            form=form,
            method="post",
            has_file=True,
            hidden={"shop": shop.pk},
            submit=_("Preview"),
        )

    def _preview(self, request: HttpRequest, shop: Shop, raw: bytes) -> Any:
        result = _import(request, shop, raw, apply=False)
        if result.faults:
            return self._result_page(request, shop, result, form=None)
        form = ApplyForm(initial={"token": _signed(request, shop, raw)})
        shop_pages.add_reason(form, request, shop, Action.MANAGE_CONFIGS)
        return self._result_page(request, shop, result, form=form)

    def _apply(self, request: HttpRequest, shop: Shop) -> Any:
        form = ApplyForm(request.POST)
        shop_pages.add_reason(form, request, shop, Action.MANAGE_CONFIGS)
        raw = _opened(request, shop, request.POST["token"])
        if raw is None:
            messages.error(request, _("The preview is too old. Choose the file again."))
            return HttpResponseRedirect(f"{request.path}?shop={shop.pk}")
        if not form.is_valid():
            return self._result_page(
                request, shop, _import(request, shop, raw, apply=False), form=form
            )
        reason = form.cleaned_data.get("reason", "")
        result = _import(request, shop, raw, apply=True, reason=reason)
        if not result.is_applied:
            return self._result_page(request, shop, result, form=None)
        said = _("Imported: %(new)s new, %(changed)s changed, %(unchanged)s unchanged.")
        messages.success(request, said % result.counts)
        return HttpResponseRedirect(reverse("admin:payments_paymentconfig_changelist"))

    def _result_page(
        self, request: HttpRequest, shop: Shop, result: ImportResult, *, form: Any
    ) -> Any:
        more: dict[str, Any] = {"form": form, "method": "post", "submit": _("Import")}
        return shop_pages.page(
            self,
            request,
            shop,
            title=_("Import configs"),
            verdict=_verdict(result),
            hidden={"shop": shop.pk},
            tables=_tables(result),
            again=f"{request.path}?shop={shop.pk}",
            **(more if form else {}),
        )


def _import(
    request: HttpRequest, shop: Shop, raw: bytes, *, apply: bool, reason: str = ""
) -> ImportResult:
    return config_imports.import_configs(
        shop=shop,
        raw=raw,
        branch_ids=shop_pages.branch_ids_of(request, shop),
        apply=apply,
        **shop_pages.who(request, shop, reason),
    )


def _verdict(result: ImportResult) -> dict[str, Any]:
    if result.faults:
        text = _("Nothing is changed: %(count)s faults.") % {"count": len(result.faults)}
        return {"text": text, "detail": _("Put them right and choose the file again."),
                "is_bad": True}  # fmt: skip
    said = _("%(new)s new, %(changed)s changed, %(unchanged)s unchanged.")
    return {"text": said % result.counts, "detail": _("Nothing is changed yet."), "is_bad": False}


def _tables(result: ImportResult) -> list[dict[str, Any]]:
    if result.faults:
        rows = [[fault.line, fault.column or NONE, _(fault.detail)] for fault in result.faults]
        return [table(_("Faults"), [_("Line"), _("Column"), _("What is wrong")], rows)]
    columns = [_("Line"), _("Name"), _("Shortcode"), _("What it does"), _("Changes")]
    rows = [
        [line.line, line.name, line.shortcode, badge(*_WHAT[line.what]), _changes(line.changes)]
        for line in result.lines
    ]
    return [table(_("Lines"), columns, rows)]


def _changes(changes: tuple[tuple[str, str, str], ...]) -> str:
    return "; ".join(f"{name}: {old or NONE} → {new or NONE}" for name, old, new in changes) or NONE


def _download(shop: Shop, kind: str, configs: Any) -> HttpResponse | StreamingHttpResponse:
    name = f"configs-{shop.slug}-{timezone.localdate():%Y-%m-%d}.{kind}"
    response: HttpResponse | StreamingHttpResponse
    if kind == "csv":
        lines = config_files.write_csv(configs)
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    else:
        response = HttpResponse(config_files.write_json(configs), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _signed(request: HttpRequest, shop: Shop, raw: bytes) -> str:
    payload = {"by": str(request.user.pk), "shop": str(shop.pk), "file": raw.decode("utf-8-sig")}
    return signing.dumps(payload, salt=_SALT, compress=True)


def _opened(request: HttpRequest, shop: Shop, token: str) -> bytes | None:
    """Return the file that was previewed by this person for this shop, or None."""
    try:
        payload = signing.loads(token, salt=_SALT, max_age=PREVIEW_LASTS_S)
    except signing.BadSignature:
        return None
    is_theirs = (payload["by"], payload["shop"]) == (str(request.user.pk), str(shop.pk))
    return payload["file"].encode() if is_theirs else None

"""Starting from a template: what all its drafts share is known, the rest is typed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

import payments.admin.shop_pages as shop_pages
from payments.choices import Environment
from payments.errors import PaymentsError
from payments.services import config_templates
from payments.services.config_templates import TEMPLATES, Template
from tenants.models import Branch, Shop
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest


class TemplateForm(forms.Form):
    """What a template does not know; the service judges it."""

    environment = forms.ChoiceField(
        label=gettext_lazy("Environment"),
        choices=Environment.choices,
        help_text=gettext_lazy("Start in the sandbox: no real money moves there."),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    shortcode = forms.CharField(label=gettext_lazy("Paybill or till number"), max_length=32)
    store_number = forms.CharField(
        label=gettext_lazy("Store number"),
        max_length=20,
        help_text=gettext_lazy("The store (head office) number that signs the till's requests."),
    )
    branches = forms.ModelMultipleChoiceField(
        Branch.objects.none(),
        label=gettext_lazy("Branches"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self, *args: Any, template: Template, shop: Shop, request: HttpRequest, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if not template.asks_store_number:
            del self.fields["store_number"]
        is_bound = shop_pages.branch_ids_of(request, shop) is not None
        if template.per_branch or is_bound:
            field = self.fields["branches"]
            field.queryset = shop_pages.branches_of(request, shop).filter(is_active=True)
            field.required = True
        else:
            del self.fields["branches"]
        shop_pages.add_reason(self, request, shop, Action.MANAGE_CONFIGS)

    def show(self, refusal: PaymentsError) -> None:
        """Put what the service refused beside its field."""
        for field, _code, detail in getattr(refusal, "errors", None) or [("", "", refusal.detail)]:
            self.add_error(field if field in self.fields else None, _(detail))


class TemplatePages:
    """Adds the choice of a template, and its form, to the admin of configs."""

    def templates_view(self, request: HttpRequest) -> Any:
        shop = shop_pages.pick_shop(request, Action.MANAGE_CONFIGS)
        if shop is None:
            return shop_pages.page(self, request, None, title=_("Start from a template"))
        key = request.GET.get("template")
        if key is None:
            return self._choice_page(request, shop)
        if key not in TEMPLATES:
            raise Http404
        return self._form_page(request, shop, TEMPLATES[key])

    def _choice_page(self, request: HttpRequest, shop: Shop) -> Any:
        choices = [
            {
                "label": row.label,
                "text": row.explanation,
                "url": f"?shop={shop.pk}&template={row.key}",
            }
            for row in TEMPLATES.values()
        ]
        title = _("Start from a template")
        return shop_pages.page(self, request, shop, title=title, choices=choices)

    def _form_page(self, request: HttpRequest, shop: Shop, template: Template) -> Any:
        form = TemplateForm(
            request.POST if request.method == "POST" else None,
            template=template,
            shop=shop,
            request=request,
            initial={"environment": Environment.SANDBOX, "name": template.label},
        )
        if form.is_valid() and (made := _make(request, shop, template, form)):
            said = ngettext("%(count)s draft was made.", "%(count)s drafts were made.", made)
            messages.success(request, said % {"count": made})
            return HttpResponseRedirect(reverse("admin:payments_paymentconfig_changelist"))
        return shop_pages.page(
            self,
            request,
            shop,
            title=template.label,
            hint=template.explanation,
            form=form,
            method="post",
            submit=_("Make the drafts"),
        )


def _make(request: HttpRequest, shop: Shop, template: Template, form: TemplateForm) -> int:
    """Make the drafts and count them; 0 where the service refused, which the form then says."""
    given = form.cleaned_data
    try:
        made = config_templates.start_from_template(
            shop=shop,
            template=template,
            environment=given["environment"],
            name=given["name"],
            shortcode=given["shortcode"],
            store_number=given.get("store_number", ""),
            branches=list(given.get("branches", ())),
            **shop_pages.who(request, shop, given.get("reason", "")),
        )
    except PaymentsError as error:
        form.show(error)
        return 0
    return len(made)

"""The pages about all of a shop's configs: what they show, and to whom."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from audit.models import AuditEntry
from payments.admin.config_pages import PAGES
from payments.models import Breaker, Payment, PaymentConfig
from tenants import services as tenants
from tenants.models import User
from tenants.roles import Role

pytestmark = pytest.mark.django_db

SLUGS = [page.slug for page in PAGES]
# Who may open which page; a cashier sees no configs, support only their status.
SEEING, MANAGING, EXPORTING = {"admin", "manager"}, {"admin"}, {"admin", "manager"}
OPEN_TO = {
    "why": SEEING | {"root"},
    "matrix": SEEING | {"root"},
    "templates": MANAGING | {"root"},
    "import": MANAGING | {"root"},
    "export": EXPORTING,
}
CSV = "name,provider,environment,branch,shortcode,store_number\n"
LINE = "Front,mpesa_till,sandbox,,555001,555002\n"


def url(slug, shop=None, **more):
    query = "&".join(f"{name}={value}" for name, value in more.items())
    shop_part = f"shop={shop.pk}&" if shop else ""
    return f"{reverse(f'admin:payments_paymentconfig_{slug}')}?{shop_part}{query}"


@pytest.fixture
def people(ours, support, root):
    return {**ours.users, "support": support, "root": root}


def text_of(answer):
    assert answer.status_code == 200, answer
    return answer.content.decode()


class TestWhoMayOpenThem:
    @pytest.mark.parametrize("slug", SLUGS)
    def test_follows_the_matrix(self, people, ours, browse, slug):
        for post, user in people.items():
            status = browse(user).get(url(slug, ours.shop)).status_code
            role = {"branch_admin": "admin", "branch_cashier": "cashier"}.get(post, post)
            assert (post, status) == (post, 200 if role in OPEN_TO[slug] else 403)

    @pytest.mark.parametrize("slug", SLUGS)
    def test_knows_no_shop_of_others(self, ours, theirs, browse, slug):
        client = browse(ours.users["admin"])

        assert client.get(url(slug, theirs.shop)).status_code == 404
        assert client.get(f"{url(slug)}shop=x").status_code == 404

    @pytest.mark.parametrize("slug", SLUGS)
    def test_is_closed_to_strangers(self, client, ours, slug):
        assert client.get(url(slug, ours.shop)).status_code == 302

    @pytest.mark.parametrize("slug", SLUGS)
    def test_goes_by_the_role_in_that_shop(self, ours, theirs, browse, slug):
        """An admin of one shop who is a cashier in the other."""
        user = User.objects.create_user("two@malipo.test", None)
        tenants.grant_role(user=user, shop=ours.shop, role=Role.ADMIN)
        tenants.grant_role(user=user, shop=theirs.shop, role=Role.CASHIER)

        client = browse(user)

        assert client.get(url(slug, ours.shop)).status_code == 200
        assert client.get(url(slug, theirs.shop)).status_code in {403, 404}

    def test_the_list_leads_to_them(self, people, browse):
        page = reverse("admin:payments_paymentconfig_changelist")

        for post, expected in (("admin", 5), ("manager", 3), ("support", 0)):
            links = browse(people[post]).get(page).context_data["page_links"]
            assert len(links) == expected

    def test_people_of_several_shops_choose(self, root, ours, theirs, browse):
        text = text_of(browse(root).get(url("why")))

        assert "Zawadi" in text
        assert "Baraka" in text


class TestWhyThisTill:
    def ask(self, client, corner, **given):
        return client.get(url("why", corner.shop, environment="sandbox", ask=1, **given))

    def steps(self, answer):
        (steps,) = answer.context_data["tables"]
        return [dict(row) for row in steps["rows"]]

    def test_tells_of_each_candidate(self, ours, browse):
        PaymentConfig.objects.filter(name="Zawadi shop").update(max_amount=100)

        answer = self.ask(
            browse(ours.users["manager"]), ours, branch=ours.branches["here"].pk, amount=150
        )

        rows = self.steps(answer)
        assert [row["Config"] for row in rows] == ["Zawadi here (61002)", "Zawadi shop (61001)"]
        assert ">Chosen<" in rows[0]["Why"]
        assert "too large" in rows[1]["Why"]
        assert "would go through Zawadi here" in text_of(answer)

    def test_supposes_what_is_down(self, ours, browse):
        here = ours.configs["here"]

        answer = self.ask(
            browse(ours.users["admin"]), ours, branch=ours.branches["here"].pk, down=here.pk
        )

        assert "Left alone" in self.steps(answer)[0]["Why"]
        assert "would go through Zawadi shop" in text_of(answer)

    def test_shows_an_open_breaker_and_what_a_till_is_told(self, ours, browse, now):
        Breaker.objects.create(
            config=ours.configs["shop"], state="open", failures=5, opened_at=now, changed_at=now
        )

        answer = self.ask(browse(ours.users["admin"]), ours)

        assert "tried again in" in self.steps(answer)[0]["Why"]
        assert "provider_unavailable" in text_of(answer)

    def test_sends_and_stores_nothing(self, ours, browse, django_assert_max_num_queries):
        client = browse(ours.users["admin"])
        before = Payment.objects.count(), AuditEntry.objects.count()

        with django_assert_max_num_queries(30):
            self.ask(client, ours, amount=10, purpose="rent")

        assert (Payment.objects.count(), AuditEntry.objects.count()) == before

    @pytest.mark.parametrize(
        "given", [{"amount": "-1"}, {"amount": "x"}, {"provider": "gold"}, {"at": "tomorrow"}]
    )
    def test_answers_wrong_questions_beside_the_field(self, ours, browse, given):
        answer = self.ask(browse(ours.users["admin"]), ours, **given)

        assert answer.context_data["form"].errors
        assert answer.context_data["tables"] == []

    def test_knows_no_branch_or_config_of_others(self, ours, theirs, browse):
        client = browse(ours.users["admin"])

        foreign = {
            "branch": theirs.branches["here"].pk,
            "down": theirs.configs["here"].pk,
        }
        for name, value in foreign.items():
            assert name in self.ask(client, ours, **{name: value}).context_data["form"].errors

    def test_keeps_a_branchs_admin_to_the_branch(self, ours, browse):
        client = browse(ours.users["branch_admin"])

        other = self.ask(client, ours, branch=ours.branches["elsewhere"].pk)
        none = self.ask(client, ours)
        own = self.ask(client, ours, branch=ours.branches["here"].pk)

        assert "branch" in other.context_data["form"].errors
        assert "branch" in none.context_data["form"].errors
        assert self.steps(own)


class TestAConfigsOwnPage:
    def test_tells_until_when_it_is_left_alone(self, ours, browse, now):
        config = ours.configs["shop"]
        Breaker.objects.create(
            config=config, state="open", failures=5, opened_at=now, last_error="unreachable"
        )

        url = reverse("admin:payments_paymentconfig_change", args=[config.pk])
        text = text_of(browse(ours.users["admin"]).get(url))

        assert "5 · unreachable" in text
        assert "Left alone until" in text
        assert "Down" in text


class TestTheMatrix:
    def rows(self, answer):
        (matrix,) = answer.context_data["tables"]
        return {dict(row)["Branch"]: dict(row) for row in matrix["rows"]}

    def test_names_who_serves_each_branch_and_shows_gaps(self, ours, browse):
        PaymentConfig.objects.filter(name="Zawadi elsewhere").update(is_active=False)

        rows = self.rows(
            browse(ours.users["manager"]).get(url("matrix", ours.shop, environment="sandbox"))
        )

        assert set(rows) == {"No branch", "Zawadi here", "Zawadi elsewhere"}
        assert "Zawadi here (61002)" in rows["Zawadi here"]["M-Pesa paybill"]
        assert "Zawadi shop (61001)" in rows["Zawadi elsewhere"]["M-Pesa paybill"]
        assert "Nothing" in rows["Zawadi here"]["M-Pesa till"]

    def test_says_what_the_nearest_lacks(self, ours, browse):
        PaymentConfig.objects.update(is_active=False)

        rows = self.rows(
            browse(ours.users["admin"]).get(url("matrix", ours.shop, environment="sandbox"))
        )

        assert "Gap" in rows["No branch"]["M-Pesa paybill"]
        assert "Switched off" in rows["No branch"]["M-Pesa paybill"]

    def test_shows_a_branchs_admin_the_branch(self, ours, browse):
        client = browse(ours.users["branch_admin"])

        rows = self.rows(client.get(url("matrix", ours.shop, environment="sandbox")))

        assert set(rows) == {"Zawadi here"}


class TestTemplates:
    def make(self, client, corner, key, **given):
        form = {"shop": corner.shop.pk, "environment": "sandbox", "name": "New",
                "shortcode": "555001", **given}  # fmt: skip
        return client.post(url("templates", corner.shop, template=key), form)

    def test_make_a_single_till(self, ours, browse):
        answer = self.make(browse(ours.users["admin"]), ours, "single_till", store_number="555002")

        config = PaymentConfig.objects.get(shortcode="555001")
        assert answer.status_code == 302
        assert (config.provider, config.status, config.branch) == ("mpesa_till", "draft", None)

    def test_make_a_paybill_for_each_branch(self, ours, browse):
        branches = [branch.pk for branch in ours.branches.values()]

        self.make(browse(ours.users["admin"]), ours, "paybill_with_branches", branches=branches)

        rows = PaymentConfig.objects.filter(shortcode="555001")
        assert {row.branch_id for row in rows} == set(branches)
        assert {row.account_prefix for row in rows} == {"ZAWADI"}

    def test_make_a_paybill_for_deliveries(self, ours, browse):
        self.make(browse(ours.users["admin"]), ours, "delivery_paybill")

        assert PaymentConfig.objects.get(shortcode="555001").purposes == ["delivery"]

    def test_show_what_the_service_refuses_and_make_nothing(self, ours, browse):
        count = PaymentConfig.objects.count()
        client = browse(ours.users["admin"])

        same = self.make(client, ours, "single_till", store_number="555001")
        letters = self.make(client, ours, "single_till", shortcode="x", store_number="555002")

        assert "store_number" in same.context_data["form"].errors
        assert "shortcode" in letters.context_data["form"].errors
        assert PaymentConfig.objects.count() == count

    def test_know_no_branch_of_others(self, ours, theirs, browse):
        answer = self.make(
            browse(ours.users["admin"]),
            ours,
            "paybill_with_branches",
            branches=[theirs.branches["here"].pk],
        )

        assert "branches" in answer.context_data["form"].errors

    def test_keep_a_branchs_admin_to_the_branch(self, ours, browse):
        client = browse(ours.users["branch_admin"])

        nowhere = self.make(client, ours, "single_till", store_number="555002")
        here = self.make(
            client,
            ours,
            "single_till",
            store_number="555002",
            branches=[ours.branches["here"].pk],
        )

        assert "branches" in nowhere.context_data["form"].errors
        assert here.status_code == 302
        assert PaymentConfig.objects.get(shortcode="555001").branch == ours.branches["here"]

    def test_ask_the_platform_why(self, ours, root, browse):
        client = browse(root)

        silent = self.make(client, ours, "single_till", store_number="555002")
        told = self.make(client, ours, "single_till", store_number="555002", reason="Ticket 7")

        assert "reason" in silent.context_data["form"].errors
        assert told.status_code == 302
        entry = AuditEntry.objects.filter(action="payment_config.created").latest("seq")
        assert entry.reason == "Ticket 7"

    def test_that_do_not_exist_are_404(self, ours, browse):
        assert self.make(browse(ours.users["admin"]), ours, "nothing").status_code == 404


class TestImport:
    def upload(self, client, corner, text):
        file = SimpleUploadedFile("configs.csv", text.encode())
        return client.post(url("import"), {"shop": corner.shop.pk, "file": file})

    def apply(self, client, corner, token, **more):
        return client.post(url("import"), {"shop": corner.shop.pk, "token": token, **more})

    def test_previews_and_then_applies(self, ours, browse):
        client = browse(ours.users["admin"])

        preview = self.upload(client, ours, CSV + LINE)
        assert not PaymentConfig.objects.filter(shortcode="555001").exists()
        answer = self.apply(client, ours, preview.context_data["form"].initial["token"])

        assert "1 new" in text_of(preview)
        assert answer.status_code == 302
        assert PaymentConfig.objects.get(shortcode="555001").created_by == "admin@zawadi.test"
        assert AuditEntry.objects.filter(action="payment_config.imported").count() == 1

    def test_lists_every_fault_and_offers_nothing(self, ours, browse):
        client = browse(ours.users["admin"])

        answer = self.upload(client, ours, f"{CSV}{LINE}A,gold,mars,,1,\n,,,,,\n")

        assert answer.context_data.get("form") is None
        (table,) = answer.context_data["tables"]
        assert [(dict(row)["Line"], dict(row)["Column"]) for row in table["rows"]] == [
            (3, "environment"),
            (3, "provider"),
        ]
        assert not PaymentConfig.objects.filter(shortcode="555001").exists()

    def test_takes_no_token_of_another_person_shop_or_making(self, ours, theirs, browse):
        token = self.upload(browse(ours.users["admin"]), ours, CSV + LINE)
        token = token.context_data["form"].initial["token"]

        bound = self.apply(browse(ours.users["branch_admin"]), ours, token)
        foreign = self.apply(browse(theirs.users["admin"]), theirs, token)
        forged = self.apply(browse(ours.users["admin"]), ours, f"{token}x")

        assert {answer.status_code for answer in (bound, foreign, forged)} == {302}
        assert not PaymentConfig.objects.filter(shortcode="555001").exists()

    def test_is_not_for_those_who_only_look(self, ours, browse):
        answer = self.upload(browse(ours.users["manager"]), ours, CSV + LINE)

        assert answer.status_code == 403

    def test_keeps_a_branchs_admin_to_the_branch(self, ours, browse):
        answer = self.upload(browse(ours.users["branch_admin"]), ours, CSV + LINE)

        assert "not one of your branches" in text_of(answer)

    def test_asks_the_platform_why(self, ours, root, browse):
        client = browse(root)
        token = self.upload(client, ours, CSV + LINE).context_data["form"].initial["token"]

        silent = self.apply(client, ours, token)
        told = self.apply(client, ours, token, reason="Ticket 8")

        assert "reason" in silent.context_data["form"].errors
        assert told.status_code == 302
        entry = AuditEntry.objects.get(action="payment_config.imported")
        assert entry.reason == "Ticket 8"


class TestExport:
    @pytest.mark.parametrize("kind", ["csv", "json"])
    def test_has_own_configs_and_no_secret(self, ours, theirs, browse, kind):
        answer = browse(ours.users["manager"]).get(url("export", ours.shop, format=kind))

        text = answer.getvalue().decode()
        assert "Zawadi here" in text
        assert "Baraka" not in text
        assert "zawadi-ck" not in text
        assert "attachment" in answer["Content-Disposition"]

    def test_has_only_the_branch_of_a_branchs_admin(self, ours, browse):
        answer = browse(ours.users["branch_admin"]).get(url("export", ours.shop, format="csv"))

        text = answer.getvalue().decode()
        assert "Zawadi here" in text
        assert "Zawadi elsewhere" not in text
        assert "Zawadi shop" not in text

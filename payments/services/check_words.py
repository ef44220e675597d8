"""
What a cashier is told of a receipt somebody shows: what it is, and what to do now.

Short and plain, in English and Swahili, for a phone held across a counter. A sentence is found by
answer and why, else by the answer alone. The English is also what the back office translates.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_noop as _

from payments.receipt_choices import CheckAnswer

_GENUINE, _USED = CheckAnswer.GENUINE_UNCLAIMED, CheckAnswer.ALREADY_USED
_AMOUNT, _REVERSED = CheckAnswer.AMOUNT_DIFFERS, CheckAnswer.REVERSED
_UNSEEN, _OTHERS, _FAKE = (
    CheckAnswer.NOT_SEEN_YET,
    CheckAnswer.WRONG_BUSINESS,
    CheckAnswer.LOOKS_FAKE,
)

#: (answer, why): what is the matter, English and Swahili.
WHAT: dict[tuple[str, str], tuple[str, str]] = {
    (_GENUINE, ""): (
        _("This payment of KES %(amount)s reached the shop and was not used yet."),
        "Malipo haya ya KES %(amount)s yamefika dukani na hayajatumika bado.",
    ),
    (_USED, ""): (
        _("This payment was used already, on %(when)s."),
        "Malipo haya yalishatumika, tarehe %(when)s.",
    ),
    (_USED, "at_branch"): (
        _("This payment was used already, on %(when)s at %(branch)s."),
        "Malipo haya yalishatumika, tarehe %(when)s katika %(branch)s.",
    ),
    (_AMOUNT, ""): (
        _("The payment is genuine, but of KES %(amount)s and not KES %(asked)s."),
        "Malipo ni halisi, lakini ni ya KES %(amount)s wala si KES %(asked)s.",
    ),
    (_AMOUNT, "message"): (
        _("The message says KES %(asked)s, but KES %(amount)s reached the shop."),
        "Ujumbe unasema KES %(asked)s, lakini duka lilipokea KES %(amount)s.",
    ),
    (_REVERSED, ""): (
        _("The customer took this money back."),
        "Mteja alirudishiwa pesa hizi.",
    ),
    (_REVERSED, "refund"): (
        _("The shop is giving this money back."),
        "Duka linamrudishia mteja pesa hizi.",
    ),
    (_REVERSED, "message"): (
        _("The message itself says that the money was taken back."),
        "Ujumbe wenyewe unasema kuwa pesa zilirudishwa.",
    ),
    (_UNSEEN, ""): (
        _("Safaricom has not told us of this payment yet."),
        "Safaricom bado haijatuambia kuhusu malipo haya.",
    ),
    (_UNSEEN, "asking"): (
        _("Safaricom has not told us of this payment yet. We are asking."),
        "Safaricom bado haijatuambia kuhusu malipo haya. Tunauliza.",
    ),
    (_UNSEEN, "pulling"): (
        _("Safaricom has not told us of this payment yet. We are asking for all of the last hour."),
        "Safaricom haijatuambia kuhusu malipo haya bado. Tunauliza malipo yote ya saa iliyopita.",
    ),
    (_UNSEEN, "unknown_to_safaricom"): (
        _("We asked: Safaricom does not know a payment with this code for this shop."),
        "Tumeuliza: Safaricom haijui malipo ya duka hili yenye msimbo huu.",
    ),
    (_UNSEEN, "date_letters"): (
        _("No payment with this code is known, and M-Pesa's codes look different."),
        "Hakuna malipo yanayojulikana kwa msimbo huu, na misimbo ya M-Pesa haiko hivi.",
    ),
    (_OTHERS, ""): (
        _("This message is about money paid to somebody else."),
        "Ujumbe huu ni wa pesa alizolipwa mtu mwingine.",
    ),
    (_OTHERS, "sent_to_phone"): (
        _("This money was sent to a person's phone, not to the shop's number."),
        "Pesa hizi zilitumwa kwa simu ya mtu, si kwa nambari ya duka.",
    ),
    (_OTHERS, "received_by_phone"): (
        _(
            "This message says that somebody received money on a phone. It is no payment to the shop."
        ),
        "Ujumbe huu unasema kuwa mtu alipokea pesa kwenye simu. Si malipo kwa duka.",
    ),
    (_OTHERS, "not_a_payment"): (
        _("This M-Pesa message is not about a payment to a shop."),
        "Ujumbe huu wa M-Pesa si wa malipo kwa duka.",
    ),
    (_OTHERS, "failed"): (
        _("This message says that the payment failed."),
        "Ujumbe huu unasema kuwa malipo hayakufaulu.",
    ),
    (_OTHERS, "other_number"): (
        _("This message names a till or paybill that is not the shop's."),
        "Ujumbe huu unataja till au paybill isiyo ya duka hili.",
    ),
    (_FAKE, "edited_text"): (
        _("The message has hidden or foreign letters that M-Pesa does not write."),
        "Ujumbe una herufi fiche au za kigeni ambazo M-Pesa haiandiki.",
    ),
    (_FAKE, "amount_form"): (
        _("The amount is written as M-Pesa never writes it."),
        "Kiasi kimeandikwa jinsi M-Pesa haiandiki kamwe.",
    ),
    (_FAKE, "two_amounts"): (
        _("The message names two different amounts for one payment."),
        "Ujumbe unataja viasi viwili tofauti kwa malipo mamoja.",
    ),
    (_FAKE, "no_such_date"): (
        _("The date or time in the message does not exist."),
        "Tarehe au saa iliyo kwenye ujumbe haipo.",
    ),
    (_FAKE, "future_date"): (
        _("The message is dated in the future."),
        "Ujumbe una tarehe ambayo haijafika.",
    ),
    (_FAKE, "code_form"): (
        _("M-Pesa codes have ten letters and digits. This one does not."),
        "Misimbo ya M-Pesa ina herufi na tarakimu kumi. Huu sivyo ulivyo.",
    ),
    (_FAKE, "date_letters"): (
        _("The first letters of the code do not fit the day of the payment."),
        "Herufi za kwanza za msimbo hazilingani na siku ya malipo.",
    ),
    (_FAKE, "sender_form"): (
        _("A payment to this shop is not worded like this message."),
        "Malipo kwa duka hili hayaandikwi kama ujumbe huu.",
    ),
    (_FAKE, "wrong_total"): (
        _("The amount and the balance in the message do not add up."),
        "Kiasi na baki kwenye ujumbe havilingani.",
    ),
    (_FAKE, "other_date"): (
        _("The code belongs to a payment of another day than the message says."),
        "Msimbo ni wa malipo ya siku tofauti na ile inayotajwa kwenye ujumbe.",
    ),
    (_FAKE, "other_payer"): (
        _("The code belongs to a payment by somebody else than the message says."),
        "Msimbo ni wa malipo ya mtu tofauti na anayetajwa kwenye ujumbe.",
    ),
    (_FAKE, "other_account"): (
        _("The code belongs to a payment with another account than the message says."),
        "Msimbo ni wa malipo ya akaunti tofauti na inayotajwa kwenye ujumbe.",
    ),
    (_FAKE, "other_phone"): (
        _("The payment is genuine, but from another phone than this one."),
        "Malipo ni halisi, lakini yametoka kwa simu nyingine wala si hii.",
    ),
}
#: What the person at the till does now: by answer, and where a reason asks for another thing.
NEXT: dict[str | tuple[str, str], tuple[str, str]] = {
    (_UNSEEN, "unknown_to_safaricom"): (
        _("Hand over nothing. Compare the code with the customer's phone."),
        "Usitoe bidhaa. Linganisha msimbo na simu ya mteja.",
    ),
    _GENUINE: (
        _("Use it for this sale before the goods leave."),
        "Itumie kwa mauzo haya kabla ya kutoa bidhaa.",
    ),
    _USED: (
        _("Hand over nothing for it. Ask the customer to pay."),
        "Usitoe bidhaa kwa malipo haya. Mwombe mteja alipe.",
    ),
    _AMOUNT: (
        _("Compare it with the bill before you hand over anything."),
        "Linganisha na bili kabla ya kutoa chochote.",
    ),
    _REVERSED: (
        _("Hand over nothing. Ask the customer to pay again."),
        "Usitoe bidhaa. Mwombe mteja alipe tena.",
    ),
    _UNSEEN: (
        _("Hand over nothing yet. Look again in a moment."),
        "Usitoe bidhaa bado. Angalia tena baada ya muda mfupi.",
    ),
    _OTHERS: (
        _("Hand over nothing. Ask for the message of the payment to this shop."),
        "Usitoe bidhaa. Omba ujumbe wa malipo kwa duka hili.",
    ),
    _FAKE: (
        _("Hand over nothing. Ask the customer to pay, and tell your manager."),
        "Usitoe bidhaa. Mwombe mteja alipe, na umwambie meneja wako.",
    ),
}


def what_of(answer: str, why: str) -> tuple[str, str]:
    """Return the sentence of an answer in English and Swahili, with its %(…)s places open."""
    return WHAT.get((answer, why)) or WHAT[answer, ""]


def next_of(answer: str, why: str) -> tuple[str, str]:
    """Return what to do now, in English and Swahili."""
    return NEXT.get((answer, why)) or NEXT[answer]


def message_of(answer: str, why: str, facts: Mapping[str, str]) -> dict[str, str]:
    """Return what the API says: {"en": …, "sw": …}."""
    what, then = what_of(answer, why), next_of(answer, why)
    return {
        language: f"{what[place] % facts} {then[place]}"
        for place, language in enumerate(("en", "sw"))
    }

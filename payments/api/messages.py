"""What each problem code says: title, and a sentence for the cashier in English and Swahili."""

from __future__ import annotations

PROBLEMS: dict[str, tuple[str, str, str]] = {
    "invalid": (
        "The request is not valid",
        "Something in the request is not right. Check the fields and send it again.",
        "Kuna kosa kwenye ombi. Kagua sehemu zote kisha utume tena.",
    ),
    "idempotency_key_required": (
        "An Idempotency-Key header is required",
        "The till did not mark this sale with a key. Update the cashier app.",
        "Mashine haikuweka alama kwenye mauzo haya. Sasisha programu ya keshia.",
    ),
    "invalid_phone_number": (
        "Not a Kenyan mobile number",
        "Check the phone number and try again.",
        "Kagua nambari ya simu kisha ujaribu tena.",
    ),
    "amount_out_of_range": (
        "The amount is outside the limits",
        "This amount is outside what the shop's account may take.",
        "Kiasi hiki kiko nje ya kiwango kinachoruhusiwa na akaunti ya duka.",
    ),
    "missing_store_number": (
        "A till needs its store number",
        "Enter the store (head office) number of the till.",
        "Weka nambari ya duka (makao makuu) ya till.",
    ),
    "credentials_required": (
        "Credentials are missing",
        "Enter the missing credentials of this payment config.",
        "Weka siri zinazokosekana za mpangilio huu wa malipo.",
    ),
    "not_authenticated": (
        "A valid API key is required",
        "This till is not signed in. Ask the shop admin for a new key.",
        "Mashine hii haijaingia. Omba ufunguo mpya kwa msimamizi wa duka.",
    ),
    "permission_denied": (
        "Not allowed",
        "You are not allowed to do this. Ask the shop admin.",
        "Huruhusiwi kufanya hivi. Muulize msimamizi wa duka.",
    ),
    "not_found": (
        "Not found",
        "There is nothing here by that name.",
        "Hakuna kitu hapa kwa jina hilo.",
    ),
    "no_active_config": (
        "No active payment config",
        "This shop has no active M-Pesa account for this payment. Configure the payment settings.",
        "Duka halina akaunti ya M-Pesa inayotumika kwa malipo haya. Weka mipangilio ya malipo.",
    ),
    "method_not_allowed": (
        "Method not allowed",
        "This cannot be done here.",
        "Hili haliwezi kufanywa hapa.",
    ),
    "not_acceptable": ("Only JSON is spoken here", "Ask for JSON.", "Omba JSON."),
    "too_large": ("The body is too large", "The request is too large.", "Ombi ni kubwa mno."),
    "unsupported_media_type": (
        "Only application/json is read",
        "The cashier app sent something other than JSON.",
        "Programu ya keshia imetuma kitu kisicho JSON.",
    ),
    "order_already_paid": (
        "The order is already paid",
        "This order is already paid.",
        "Oda hii tayari imelipwa.",
    ),
    "receipt_already_used": (
        "The receipt is already used",
        "This receipt has paid for something already. Do not release the goods; ask the manager.",
        "Risiti hii tayari imetumika. Usitoe bidhaa; muulize meneja.",
    ),
    "amount_differs": (
        "The amount differs",
        "The money that came is not this amount. Look at the receipt again.",
        "Pesa zilizoingia si kiasi hiki. Angalia risiti tena.",
    ),
    "order_in_progress": (
        "The order has a live prompt",
        "A payment for this order is already waiting for the customer.",
        "Malipo ya oda hii tayari yanamsubiri mteja.",
    ),
    "prompt_open": (
        "The phone has a live prompt",
        "This phone already has an open M-Pesa prompt. Let the customer answer it first.",
        "Simu hii tayari ina ombi la M-Pesa. Mteja alijibu kwanza.",
    ),
    "cool_down": (
        "Asked for the same amount a moment ago",
        "The same amount was asked from this phone a moment ago. Wait, or confirm a second sale.",
        "Kiasi hicho kimeombwa kwa simu hii sasa hivi. Subiri, au thibitisha ni mauzo ya pili.",
    ),
    "retry_not_allowed": (
        "The payment cannot be retried now",
        "This payment cannot be tried again right now.",
        "Malipo haya hayawezi kujaribiwa tena sasa hivi.",
    ),
    "daily_limit_reached": (
        "The daily limit is reached",
        "The shop's limit for today is reached.",
        "Kikomo cha duka cha leo kimefikiwa.",
    ),
    "monthly_limit_reached": (
        "The monthly limit is reached",
        "The shop's limit for this month is reached.",
        "Kikomo cha duka cha mwezi huu kimefikiwa.",
    ),
    "invalid_transition": (
        "Not possible in this state",
        "This is not possible in the present state.",
        "Hili haliwezekani katika hali ya sasa.",
    ),
    "not_verified": (
        "The payment config is not verified",
        "Verify the payment config first.",
        "Thibitisha mpangilio wa malipo kwanza.",
    ),
    "duplicate_shortcode": (
        "The shortcode is already there",
        "This shop and branch already has this number.",
        "Duka na tawi hili tayari lina nambari hii.",
    ),
    "config_in_use": (
        "The payment config is in use",
        "Payments of this account are still open. Try again later.",
        "Malipo ya akaunti hii bado yako wazi. Jaribu tena baadaye.",
    ),
    "shortcode_claimed": (
        "Another business has this number",
        "Another business proved that this number is theirs. Contact support.",
        "Biashara nyingine imethibitisha kuwa namba hii ni yake. Wasiliana na msaada.",
    ),
    "verification_failed": (
        "The provider refused the credentials",
        "Safaricom refused these credentials. Check them and try again.",
        "Safaricom imekataa siri hizi. Zikague kisha ujaribu tena.",
    ),
    "request_in_progress": (
        "The same request is still running",
        "This sale is being sent. Wait a moment.",
        "Mauzo haya yanatumwa. Subiri kidogo.",
    ),
    "idempotency_key_reused": (
        "The key was used for another request",
        "The till used one key for two different sales. Start the sale again.",
        "Mashine imetumia alama moja kwa mauzo mawili. Anza mauzo upya.",
    ),
    "rate_limited": (
        "Too many requests",
        "Too many requests. Wait a moment and try again.",
        "Maombi ni mengi mno. Subiri kidogo kisha ujaribu tena.",
    ),
    "provider_unavailable": (
        "No provider could be tried",
        "M-Pesa cannot be reached just now. Nothing was sent to the customer.",
        "M-Pesa haipatikani kwa sasa. Hakuna kilichotumwa kwa mteja.",
    ),
    "unavailable": (
        "Something went wrong on our side",
        "Something went wrong on our side. Try again in a moment.",
        "Kuna tatizo upande wetu. Jaribu tena baada ya muda mfupi.",
    ),
}

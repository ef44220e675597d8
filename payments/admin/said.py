"""What services refuse with, in their English, so that the back office can say it in Swahili."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

SAID = (
    _("The config is not verified."),
    _("The provider refused the credentials."),
    _("The same shop and branch already has this shortcode."),
    _("Payments of this config are still open."),
    _("Too many requests in this minute."),
    _("No config could be tried just now; nothing was stored."),
    _("The config has no credentials to do this with."),
    _("Credentials are missing."),
    _("Give this credential."),
    _("This provider cannot be asked yet."),
    _("The config was changed by somebody else meanwhile."),
    _("Only a suspended config is restored."),
    _("A sealed value does not open."),
    _("Fields and credentials are complete."),
    _("An access token was granted."),
    _("The payment config is not valid."),
    _("The credentials are not valid."),
    _("Give the number of 5 to 7 digits."),
    _("Give the merchant id: letters, digits, dots and dashes."),
    _("Give the bank's paybill of 5 to 7 digits."),
    _("Give the merchant's number: letters, digits, dots and dashes."),
    _("Give the till's store (head office) number; it is not the till number."),
    _("Give the account at the bank."),
    _("This provider has no such field."),
    _("This provider has no such credential."),
    _("This does not have the form of such a number."),
    _("It holds a space, a line break or a character no key has. Copy it again."),
    _("There is no such branch."),
    _("Choose one of your branches."),
    _("Use 1 to 32 of a-z, 0-9, _ and -."),
    _("Give more than nothing, or leave it out."),
)
# Names of columns whose models give them none in words of their own.
COLUMNS = (
    _("kind"),
    _("moved"),
    _("error"),
    _("started at"),
    _("finished at"),
    _("subject"),
    _("All"),
    _("This month"),
)

"""Text that a prompt can carry: Daraja takes plain ASCII letters, people type others."""

from __future__ import annotations

import unicodedata

# What phones and word processors make of an apostrophe, a quote, a hyphen and a blank.
_TYPESET = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2010": "-",
            "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u00a0": " "}  # fmt: skip


def fold(text: str) -> str:
    """
    Write accented letters without their accents, and typeset quotes and dashes as typed ones.

    Only where one plain letter is meant ("é" is "e"); whatever else is not ASCII stays as it is, for
    whoever refuses it: nobody's reference is guessed.
    """
    return "".join(map(_plain, unicodedata.normalize("NFC", text)))


def _plain(character: str) -> str:
    if character.isascii():
        return character
    letter, *accents = unicodedata.normalize("NFD", character)
    if letter.isascii() and letter.isalpha() and all(map(unicodedata.combining, accents)):
        return letter
    return _TYPESET.get(character, character)

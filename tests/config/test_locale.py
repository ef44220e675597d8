from __future__ import annotations

import gettext
import re
from pathlib import Path

from django.utils.translation import gettext as translate
from django.utils.translation import override

from config.settings import BASE_DIR

LOCALE = BASE_DIR / "config" / "locale" / "sw" / "LC_MESSAGES"
_ENTRY = re.compile(
    r'^msgid ((?:".*"\n)+)(?:msgid_plural (?:".*"\n)+)?msgstr(?:\[0\])? ((?:".*"\n)+)', re.MULTILINE
)


def _entries(path: Path) -> dict[str, str]:
    def text(lines):
        return (
            "".join(re.findall(r'"(.*)"', lines))
            .encode()
            .decode("unicode_escape")
            .encode("latin-1")
            .decode()
        )

    return {text(found[1]): text(found[2]) for found in _ENTRY.finditer(path.read_text())}


class TestSwahili:
    def test_has_a_word_for_each_of_ours(self):
        entries = _entries(LOCALE / "django.po")

        assert len(entries) > 400
        assert [source for source, said in entries.items() if not said] == []
        assert "#, fuzzy" not in (LOCALE / "django.po").read_text()

    def test_is_compiled_as_it_is_written(self):
        with (LOCALE / "django.mo").open("rb") as compiled:
            catalogue = gettext.GNUTranslations(compiled)

        for source, said in _entries(LOCALE / "django.po").items():
            if source and "%(count)s payment" not in source:
                assert catalogue.gettext(source) == said

    def test_keeps_the_holes_of_each_sentence(self):
        holes = re.compile(r"%\(\w+\)s")

        for source, said in _entries(LOCALE / "django.po").items():
            if source:
                assert set(holes.findall(source)) == set(holes.findall(said)), source

    def test_is_what_django_finds(self):
        with override("sw"):
            assert translate("Release the goods") == "Toa bidhaa"

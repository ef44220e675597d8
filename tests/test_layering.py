"""
Who may import whom, read from the imports themselves: also those inside functions and those that
only a type checker runs. The longest name in MAY that a module begins with says what it may have.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("tenants", "audit", "payments", "reconciliation", "config")
LONGEST_FILE = 300

_WORDS = tuple(
    f"payments.{name}"
    for name in (
        "choices",
        "receipt_choices",
        "webhook_choices",
        "states",
        "errors",
        "verdicts",
        "encryption",
        "msisdn",
        "references",
        "strictjson",
    )
)
# What of the floor below a service may need: rows, roles and limits, never a page or a request.
_PEOPLE = tuple(
    f"tenants.{name}"
    for name in (
        "models",
        "ids",
        "choices",
        "roles",
        "scoping",
        "services",
        "throttling",
        "prepared",
    )
)
# Codes and what they mean are words too; everything else of Daraja's stays in its cupboard.
_CODES = tuple(f"payments.providers.daraja.{name}" for name in ("result_codes", "explanations"))
_FACES = (*_WORDS, "payments.models", "payments.services", "payments.fields", "audit", "tenants")
_BELOW_PROVIDERS = tuple(
    f"payments.{name}"
    for name in (
        "providers",
        "choices",
        "receipt_choices",
        "errors",
        "msisdn",
        "references",
        "strictjson",
    )
)
_BELOW_SERVICES = (
    *_WORDS,
    "payments.callback_urls",
    "payments.fields",
    "payments.models",
    "payments.providers",
    "payments.services",
    "audit",
)

MAY: dict[str, tuple[str, ...]] = {
    "config": FLOORS,
    "reconciliation": ("reconciliation", "payments", "audit", "tenants"),
    "payments.apps": ("payments",),
    "payments.api": (*_FACES, *_CODES, "payments.api", "payments.callback_urls", "payments.tasks"),
    "payments.admin": (*_FACES, *_CODES, "payments.admin", "payments.tasks"),
    "payments.tasks": _FACES,
    "payments.checks": (*_FACES, "payments.callback_urls"),
    "payments.management": (*_FACES, "payments.providers"),
    "payments.services": (*_BELOW_SERVICES, *_PEOPLE),
    "payments.models": (*_WORDS, "payments.models", "payments.fields", "tenants"),
    "payments.providers": _BELOW_PROVIDERS,
    "payments.fields": ("payments.encryption", "payments.errors"),
    "payments.callback_urls": (),
    # The pure modules, each with those below it.
    "payments.verdicts": ("payments.choices", "payments.states", "payments.errors"),
    "payments.states": ("payments.choices", "payments.errors"),
    "payments.choices": ("tenants.choices",),
    "payments.receipt_choices": (),
    "payments.webhook_choices": (),
    "payments.errors": (),
    "payments.encryption": ("payments.errors",),
    "payments.msisdn": ("payments.errors",),
    "payments.references": ("payments.errors",),
    "payments.strictjson": (),
    "payments": (),
    "audit": ("audit", "tenants"),
    "tenants": ("tenants",),
}
# What of others' a layer must not touch, whatever it needs.
NEVER: dict[str, tuple[str, ...]] = {
    "payments.services": ("rest_framework", "celery", "django.http"),
    "payments.models": ("rest_framework", "celery", "requests"),
    "payments.providers": ("django.db", "django.contrib", "rest_framework", "celery"),
    "payments.verdicts": ("django", "random", "time", "datetime", "os", "requests"),
    "payments.states": ("django", "rest_framework"),
    "payments.errors": ("django", "rest_framework"),
    "payments.encryption": ("django", "rest_framework"),
    "payments.msisdn": ("django", "rest_framework"),
    "payments.references": ("django", "rest_framework"),
    "payments.strictjson": ("django", "rest_framework"),
    "tenants": ("celery", "requests"),
    "audit": ("celery", "requests", "rest_framework"),
}
# The one thing of the ORM that the vocabulary is made of.
_ALLOWED = {("payments.choices", "django.db.models.TextChoices")}


def _files() -> list[Path]:
    found = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    return [path for path in found if "migrations" not in path.parts]


@cache
def _modules() -> dict[str, frozenset[str]]:
    """Name every module of ours and all it imports, as dotted names."""
    return {_name_of(path): frozenset(_imports(path)) for path in _files()}


def _name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # The package runs before its module: both are imported.
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _ours(imported: str) -> str | None:
    """Return the module of ours an imported name lives in, if it does."""
    if imported.partition(".")[0] not in FLOORS:
        return None
    return imported if imported in _modules() else imported.rpartition(".")[0]


def _rule(name: str, rules: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    fitting = [prefix for prefix in rules if _is_below(name, prefix)]
    return rules[max(fitting, key=len)] if fitting else ()


@pytest.mark.parametrize("name", sorted(_modules()))
class TestEveryModule:
    def test_imports_only_what_its_layer_may(self, name):
        ours = {target for found in _modules()[name] if (target := _ours(found))}
        allowed = _rule(name, MAY)
        # `from payments import msisdn` is about msisdn; the package counts for circles alone.
        ours = {each for each in ours if not any(o.startswith(f"{each}.") for o in ours)}

        assert {each for each in ours if not any(_is_below(each, p) for p in allowed)} == set()

    def test_imports_nothing_it_never_may(self, name):
        refused = [p for prefix, row in NEVER.items() if _is_below(name, prefix) for p in row]
        found = {each for each in _modules()[name] if (name, each) not in _ALLOWED}

        assert {each for each in found if any(_is_below(each, p) for p in refused)} == set()


class TestTheHouse:
    def test_nobody_imports_the_roof(self):
        users = {name for name, found in _modules().items() if any(map(_is_roof, found))}

        assert {name for name in users if not _is_below(name, "config")} == set()

    def test_has_no_circles(self):
        graph = {
            name: {target for each in found if (target := _ours(each)) and target != name}
            for name, found in _modules().items()
        }
        circle: list[str] = []
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1]

        assert circle == []

    def test_names_only_modules_that_exist(self):
        broken = {
            (name, each)
            for name, found in _modules().items()
            for each in found
            if (target := _ours(each)) and target not in _modules()
        }

        assert {row for row in broken if "migrations" not in row[1]} == set()

    def test_has_no_file_of_more_than_300_lines(self):
        sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in _files()}

        assert {path: size for path, size in sizes.items() if size > LONGEST_FILE} == {}

    @pytest.mark.parametrize("rules", [MAY, NEVER], ids=["may", "never"])
    def test_has_a_room_for_every_rule(self, rules):
        """A rule about a module that was moved away would hold nothing."""
        optional = {"payments.tasks", "payments.checks"}
        rooms = {prefix for prefix in rules if any(_is_below(n, prefix) for n in _modules())}

        assert set(rules) - rooms - optional == set()


def _is_roof(imported: str) -> bool:
    return _is_below(imported, "config")

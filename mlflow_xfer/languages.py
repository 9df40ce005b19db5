"""Languages: code, name, family, script, typology, and distances between languages with their sources.

The table is ``languages.csv`` beside this module (CC BY-SA 4.0; columns, sources and citations in
``languages.md``). It is read on first use and without pandas. A value that a source does not have is missing
(``None``), never 0.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.registry import Registry, unknown

TABLE = Path(__file__).with_name("languages.csv")
SEE = "mlflow-xfer languages"
SUBTAG = re.compile(r"[-_](?:(?P<script>[A-Za-z]{4})|[A-Za-z]{2}|[0-9]{3}|1901|1996)$")
"""What follows a language's code where it says a script, a country or a spelling: zh_Hans, pt-BR, de-1996."""

TEXT_COLUMNS = (
    "name",
    "family",
    "genus",
    "script",
    "iso639_3",
    "macrolanguage",
    "glottocode",
    "wals_code",
    "uriel_code",
    "flores_code",
)
# WALS chapters on morphology (Dryer & Haspelmath 2013): the core list and its extension; languages.md says
# what each is.
WALS_CORE = tuple(
    f"wals_{c}" for c in ("20A", "21A", "22A", "23A", "24A", "25A", "26A", "27A", "28A", "29A", "49A")
)
WALS_EXTENDED = WALS_CORE + tuple(
    f"wals_{c}" for c in ("33A", "34A", "51A", "57A", "69A", "70A", "101A", "102A", "112A")
)


@dataclass(frozen=True)
class Language:
    """One language. ``values`` holds the numeric columns that are known for it, and only those."""

    code: str
    name: str
    family: str | None
    genus: str | None
    script: str | None  # ISO 15924
    iso639_3: str | None
    macrolanguage: str | None
    glottocode: str | None
    aliases: tuple[str, ...]
    benchmarks: tuple[str, ...]
    wals_code: str | None
    uriel_code: str | None
    flores_code: str | None
    wals_is_proxy: bool  # WALS values are a close relative's
    values: Mapping[str, float]

    def value(self, column: str) -> float | None:
        """A numeric column of the table, ``None`` where it is not known."""
        return self.values.get(column)


def _language(row: Mapping[str, str]) -> Language:
    known = {k: v for k, v in row.items() if v != ""}
    skip = {*TEXT_COLUMNS, "code", "aliases", "benchmarks", "wals_proxy"}
    return Language(
        code=row["code"],
        aliases=tuple(known.get("aliases", "").split()),
        benchmarks=tuple(known.get("benchmarks", "").split()),
        wals_is_proxy=row["wals_proxy"] == "1",
        values={k: float(v) for k, v in known.items() if k not in skip},
        **cast(Any, {k: known.get(k) for k in TEXT_COLUMNS}),
    )


@lru_cache(maxsize=1)
def table() -> Mapping[str, Language]:
    """All languages by code, in the order of the file (by code)."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return {row["code"]: _language(row) for row in csv.DictReader(lines)}


@lru_cache(maxsize=1)
def _by_any_code() -> Mapping[str, Language]:
    """Languages by code, then by alias and ISO 639-3 code where that is not another one's code."""
    by_code = dict(table())
    for language in table().values():
        for other in (*language.aliases, language.iso639_3):
            if other:
                by_code.setdefault(other, language)
    return by_code


def known() -> tuple[str, ...]:
    """The codes of all languages in the table."""
    return tuple(table())


def get(code: str) -> Language:
    """The language with this code, alias or ISO 639-3 code.

    Raises:
        XferError: unknown code, with the closest ones (names are looked at, too).
    """
    if code is False or str(code).lower() == "false":
        raise XferError("false is not a language code.", "Norwegian must be quoted in YAML: 'no'")
    known = _by_any_code().get(str(code)) or _by_any_code().get(str(code).lower())
    if known:
        return known
    named = _by_name().get(str(code).lower())
    if named:
        raise XferError(f"Unknown language {code!r}.", f"The code of {named.name} is {named.code!r}.")
    raise unknown("language", str(code), _by_any_code(), SEE)


def named(code: str) -> str:
    """The code of the language that this code, alias or ISO 639-3 code is of; what is of none as it is."""
    with suppress(XferError):
        return get(code).code
    return code


def codes_of(names: Iterable[str]) -> dict[str, str]:
    """:func:`named` of each name, by name.

    Raises:
        XferError: several names of one language.
    """
    codes = {name: named(name) for name in dict.fromkeys(names)}
    problems = Problems()
    for code in codes.values():
        if len(same := [repr(name) for name, other in codes.items() if other == code]) > 1:
            problems.add(f"{' and '.join(same)} are one language ({code}).", "Call it by one code.")
    problems.raise_if_any()
    return codes


@lru_cache(maxsize=1)
def _by_name() -> Mapping[str, Language]:
    """Languages by English name in lower case, with and without the variety: ``chinese (mandarin)``,
    ``chinese``."""
    names = ((one.name.lower(), one) for one in table().values())
    return {said: one for name, one in names for said in (name, name.partition(" (")[0])}


@lru_cache(maxsize=1)
def _by_flores() -> Mapping[str, Language]:
    """Languages by FLORES's codes, which say the script: ``deu_Latn``."""
    return {one.flores_code: one for one in table().values() if one.flores_code}


@lru_cache(maxsize=1)
def _scripts() -> frozenset[str]:
    """The scripts of all languages, and the one that Chinese has besides."""
    return frozenset({"Hant", *(one.script for one in table().values() if one.script)})


@lru_cache(maxsize=10_000)  # columns say one for every row
def code_of(name: str) -> str | None:
    """The code of a language by another code of it (iw), with scripts and regions (zh-Hans-CN), FLORES's, or
    its English name, blanks around it aside; None: it names none."""
    known = name.strip()
    while known:
        with suppress(XferError):
            return (_by_flores().get(known) or _by_name().get(known.lower()) or get(known)).code
        known = _shortened(known)
    return None


def _shortened(tag: str) -> str:
    """``zh-Hans`` of ``zh-Hans-CN``; empty where nothing follows the language. A word of four letters is a
    script where it is written as one or is one of the table's: ``en_test`` is no English."""
    last = SUBTAG.search(tag)
    script = last and last["script"]
    if last is None or (script and script != script.title() and script.title() not in _scripts()):
        return ""
    return tag[: last.start()]


def resolve(codes: Iterable[str]) -> tuple[Language, ...]:
    """The languages with these codes, in the given order, each once.

    Raises:
        XferError: naming every unknown code, not only the first.
    """
    problems, known = Problems(), {}
    for code in codes:
        try:
            language = get(code)
            known[language.code] = language
        except XferError as error:
            problems.add(error)
    problems.raise_if_any()
    return tuple(known.values())


# -- distances -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Measure:
    """One distance between languages.

    ``between(a, b)`` gives the distance from ``a`` to ``b``, or ``None`` where it is not known.
    ``to_english_only``: the table holds this measure to English alone. A ``signed`` measure is a difference
    ``a - b`` (0 = the same, both signs occur); the others are >= 0.
    """

    name: str
    description: str
    source: str
    between: Callable[[Language, Language], float | None]
    to_english_only: bool = False
    signed: bool = False


def _to_english(column: str) -> Callable[[Language, Language], float | None]:
    def between(a: Language, b: Language) -> float | None:
        if a.code == b.code:
            return 0.0 if a.code == "en" or a.value(column) is not None else None
        if b.code == "en":
            return a.value(column)
        return b.value(column) if a.code == "en" else None

    return between


def _difference(column: str, signed: bool) -> Callable[[Language, Language], float | None]:
    def between(a: Language, b: Language) -> float | None:
        left, right = a.value(column), b.value(column)
        if left is None or right is None:
            return None
        return left - right if signed else abs(left - right)

    return between


def _share_of_wals_differing(
    columns: tuple[str, ...], at_least: int
) -> Callable[[Language, Language], float | None]:
    def between(a: Language, b: Language) -> float | None:
        # WALS has one entry for both (Hindi's stands in for Urdu): that its values agree says nothing.
        if a.code != b.code and a.wals_code == b.wals_code:
            return None
        shared = [c for c in columns if a.value(c) is not None and b.value(c) is not None]
        if len(shared) < at_least:
            return None
        return sum(a.value(c) != b.value(c) for c in shared) / len(shared)

    return between


def _same(field: str) -> Callable[[Language, Language], float | None]:
    def between(a: Language, b: Language) -> float | None:
        left, right = getattr(a, field), getattr(b, field)
        return None if left is None or right is None else float(left != right)

    return between


URIEL = "URIEL (Littell et al. 2017) in URIEL+ 1.3.2 (Khan et al. 2025)"
WALS = "WALS Online v2020.4 (Dryer & Haspelmath 2013)"
CORPUS = "computed on SIB-200/FLORES-200 sentences, parallel in 92 languages"

MEASURES: Registry[Measure] = Registry("distance", "mlflow-xfer languages --show distances")
for _kind, _what in {
    "syntactic": "word order and other syntactic features",
    "genetic": "place in the family tree",
    "geographic": "where it is spoken",
    "phonological": "phonological features",
    "inventory": "sounds of the phoneme inventory",
    "featural": "all URIEL features mixed; prefer the single kinds",
    "script": "features of the writing system",
}.items():
    MEASURES.add(
        _kind,
        Measure(
            _kind,
            f"angular distance to English over {_what}",
            URIEL,
            _to_english(f"uriel_{_kind}"),
            to_english_only=True,
        ),
    )
for _measure in (
    Measure(
        "wals_morphology",
        "share of 11 morphology chapters with different values; at least 4 shared; says 'different kind'",
        WALS,
        _share_of_wals_differing(WALS_CORE, 4),
    ),
    Measure(
        "wals_morphology_extended",
        "share of 20 morphology chapters with different values; at least 8 shared",
        WALS,
        _share_of_wals_differing(WALS_EXTENDED, 8),
    ),
    Measure(
        "grambank_morphology",
        "share of 49 bound-morphology features with different values; shared absences count as agreement",
        "Grambank v1.0.3 (Skirgard et al. 2023)",
        _to_english("grambank_morph_distance_to_english"),
        to_english_only=True,
    ),
    Measure(
        "grambank_fusion",
        "difference in the share of bound-morphology features that are present",
        "Grambank v1.0.3 (Skirgard et al. 2023)",
        _difference("grambank_fusion", signed=True),
        signed=True,
    ),
    Measure(
        "corpus_morphology",
        "absolute difference in corpus-based morphological complexity; says 'more or fewer word forms'",
        CORPUS,
        _difference("corpus_morph_complexity", signed=False),
    ),
    Measure(
        "corpus_morphology_signed",
        "difference in corpus-based morphological complexity; up = richer in word forms",
        CORPUS,
        _difference("corpus_morph_complexity", signed=True),
        signed=True,
    ),
    Measure(
        "different_family",
        "1 if the families (Glottolog) differ",
        "Glottolog v5.1 (Hammarstrom et al. 2024)",
        _same("family"),
    ),
    Measure("different_script", "1 if the scripts (ISO 15924) differ", "set by hand", _same("script")),
):
    MEASURES.add(_measure.name, _measure)


def distance(a: str, b: str = "en", measure: str = "syntactic") -> float | None:
    """Distance from language ``a`` to ``b`` (to English by default);
    ``None`` where the source does not have it.

    Raises:
        XferError: unknown language or measure, or a measure that exists to English only, asked between two
            others.
    """
    chosen, left, right = MEASURES.get(measure), get(a), get(b)
    if chosen.to_english_only and left.code != right.code and "en" not in (left.code, right.code):
        pairwise = ", ".join(m.name for m in MEASURES if not m.to_english_only)
        raise XferError(
            f"The {measure} distance is known to English only, not between {left.code} and {right.code}.",
            f"Between any two languages: {pairwise}",
        )
    return chosen.between(left, right)

"""Fifty sentences per language, as they stand in ``mini_golden.tsv``:
what speakers can review, and what must not change.

To write the file anew: ``python tests/data/test_mini_golden.py``.
"""

from __future__ import annotations

import random
from pathlib import Path

from mlflow_xfer.data import mini
from mlflow_xfer.data.mini.corpus import preferred, told
from mlflow_xfer.data.mini.examples import text
from mlflow_xfer.data.mini.grammar import grammar
from mlflow_xfer.data.mini.lexicon import group, kind

GOLDEN = Path(__file__).with_name("mini_golden.tsv")
SENTENCES = 50


def sentences(language: str) -> list[str]:
    """Thirty statements, twelve questions and eight predicates, of the same meanings in every language."""
    rng, spoken = random.Random("golden"), grammar(language)
    found = [text(told(preferred(rng), spoken)) for _ in range(30)]
    for number in range(12):
        meaning = preferred(rng)._replace(
            verb=rng.choice(group("verb")),
            object=rng.choice(group("thing")),
            place=rng.choice(group("place")),
            negated=False,
        )
        asked, field = (("who", "agent"), ("what", "object"), ("where", "place"))[number % 3]
        found.append(text(spoken.ask(asked, meaning._replace(adjective="", **{field: ""}))))
    return found + [
        text(spoken.describe(rng.choice(group("thing")), kind(rng.choice(group("cause"))))) for _ in range(8)
    ]


def table() -> str:
    """The golden file: one line per sentence, one column per language."""
    columns = {language: sentences(language) for language in mini.languages()}
    lines = ["\t".join(columns), *("\t".join(row) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def test_sentences_are_those_of_the_golden_file():
    golden = GOLDEN.read_text(encoding="utf-8")
    assert len(golden.splitlines()) == SENTENCES + 1
    assert table() == golden, (
        "if the change is meant: raise mini.VERSION and run python tests/data/test_mini_golden.py"
    )


def test_known_sentences_are_right():
    """Forms that the rules must get right: case, agreement, harmony, concord, negation, word order."""
    from mlflow_xfer.data.mini.grammar import Meaning

    said = {
        language: text(grammar(language).say(Meaning("teacher", "buy", "book", "old", "market", "today")))
        for language in mini.languages()
    }
    assert said == {
        "en": "the teacher buys the old book at the market today",
        "de": "der Lehrer kauft heute das alte Buch auf dem Markt",
        "es": "el maestro compra el libro viejo en el mercado hoy",
        "tr": "öğretmen bugün pazarda eski kitabı alıyor",
        "sw": "mwalimu ananunua kitabu kikuukuu sokoni leo",
        "id": "guru membeli buku tua di pasar hari ini",
        "vi": "hôm nay giáo viên mua cuốn sách cũ ở chợ",
        "af": "die onderwyser koop vandag die ou boek by die mark",
        "ht": "pwofesè a achte vye liv la nan mache a jodi a",
        "eu": "irakasleak gaur azokan liburu zaharra erosten du",
    }
    negated = {
        language: text(grammar(language).say(Meaning("farmer", "wash", "shirt", negated=True)))
        for language in mini.languages()
    }
    assert negated["tr"] == "çiftçi gömleği yıkamıyor" and negated["sw"] == "mkulima haoshi shati"
    assert (
        negated["eu"] == "nekazariak ez du alkandora garbitzen"
        and negated["af"] == "die boer was nie die hemp nie"
    )
    assert text(grammar("af").say(Meaning("farmer", "cry", negated=True))) == "die boer huil nie", (
        "one nie where nothing follows"
    )
    assert text(grammar("de").conclude("chair", "cold")) == "und dann ist der Stuhl kalt"
    assert text(grammar("es").describe("shirt", "dirty")) == "la camisa está sucia"
    assert text(grammar("tr").phrase("clock", case="object")) == "saati", "an exception to vowel harmony"


if __name__ == "__main__":
    GOLDEN.write_text(table(), encoding="utf-8")

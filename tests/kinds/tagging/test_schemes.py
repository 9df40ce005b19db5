"""Entities in the tags of users, by their scheme; seqeval and a plain reading say what is right."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.kinds.tagging.schemes import chunks, scheme_of, spans, told_apart, well_formed_spans
from mlflow_xfer.scoring.evaluation import Compared, row
from mlflow_xfer.scoring.score import judging, score
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tasks.task_file import load_task_file
from tests.conftest import MANY

SCHEMES = ["bare", "iob1", "iob2", "iobes", "bilou"]
TYPES = ("PER", "GPE-LOC", "ORG-LOC", "Some_Event", "B")
GOLD = [["O", "PER", "O", "O", "ORG", "O"], ["O", "ORG", "O", "O", "O", "LOC"]]


def tagging(scheme: str, metric="entity_f1", labels=()) -> Task:
    return Task("t", "tagging", metric, ("en",), {}, labels, options={"scheme": scheme})


def prefixes(scheme: str, length: int, after_same: bool) -> str:
    """How a scheme marks the words of one entity."""
    if scheme == "bare":
        return " " * length
    if scheme == "iob1":
        return ("B" if after_same else "I") + "I" * (length - 1)
    if scheme == "iob2":
        return "B" + "I" * (length - 1)
    single, last = {"iobes": "SE", "bilou": "UL"}[scheme]
    return single if length == 1 else "B" + "I" * (length - 2) + last


def drawn(draw: random.Random, scheme: str) -> tuple[list[str], set[tuple[str, int, int]]]:
    """A sentence and its entities; neighbours of one type are one entity where tags have no prefix."""
    tags: list[str] = []
    entities = set()
    before = ""
    for _ in range(draw.randint(1, 6)):
        if draw.random() < 0.5:
            tags.append("O")
            before = ""
            continue
        name, length = draw.choice(TYPES), draw.randint(1, 4)
        if scheme == "bare" and name == before:
            continue
        marks = prefixes(scheme, length, name == before)
        entities.add((name, len(tags), len(tags) + length - 1))
        tags += [name if mark == " " else f"{mark}-{name}" for mark in marks]
        before = name
    return tags, entities


@pytest.mark.parametrize("scheme", SCHEMES)
def test_entities_that_were_written_are_read(scheme):
    draw = random.Random(scheme)
    for _ in range(200 * MANY):
        tags, entities = drawn(draw, scheme)
        assert set(spans(tags, scheme)) == entities
        assert len(chunks([tags], scheme, strict=True)) == len(entities), "all of them are well-formed"


def plain_f1(gold: list[set], mine: list[set]) -> float:
    """F1 by hand."""
    right = sum(len(a & b) for a, b in zip(gold, mine, strict=True))
    total = sum(map(len, gold)) + sum(map(len, mine))
    return 200 * right / total if total else 0.0


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("metric", ["entity_f1", "tag_f1"])
def test_the_score_is_f1_over_entities(scheme, metric):
    draw = random.Random(scheme)
    for _ in range(25 * MANY):
        gold, mine = [], []
        for _ in range(draw.randint(1, 5)):
            tags, entities = drawn(draw, scheme)
            other, found = drawn(draw, scheme)
            size = max(len(tags), len(other), 1)
            gold.append((tags + ["O"] * (size - len(tags)), entities))
            mine.append((other + ["O"] * (size - len(other)), found))
        mine = gold if draw.random() < 0.3 else mine
        found = score(judging(tagging(scheme, metric)), [t for t, _ in mine], [t for t, _ in gold], "en")
        assert found.value == pytest.approx(plain_f1([e for _, e in gold], [e for _, e in mine]), abs=1e-9)
        assert found.low <= found.value <= found.high


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "iobes", "bilou"])
def test_any_tags_are_scored_as_seqeval_does(scheme):
    """Malformed tags too: leniently by its default (which does not know BILOU), strictly by the scheme."""
    from seqeval import scheme as theirs
    from seqeval.metrics import f1_score

    marks = {"iob1": "BI", "iob2": "BI", "iobes": "BIES", "bilou": "BILU"}[scheme]
    tags = ["O", *(f"{mark}-{name}" for mark in marks for name in ("PER", "LOC"))]
    draw = random.Random(scheme)
    for _ in range(40 * MANY):
        sides = [[[draw.choice(tags) for _ in range(length)] for length in (3, 5, 1, 7)] for _ in range(2)]
        if told_apart(sides[0], scheme) != scheme:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            strict = 100 * f1_score(*sides, mode="strict", scheme=getattr(theirs, scheme.upper()))
            lenient = 100 * f1_score(*sides)
        found = score(judging(tagging(scheme)), sides[1], sides[0], "en")
        assert found.components["f1_strict"] == pytest.approx(strict, abs=1e-9)
        if scheme != "bilou":
            assert found.value == pytest.approx(lenient, abs=1e-9)


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("I-X I-X B-X I-X O", [("X", 0, 1), ("X", 2, 3)]),
        ("B-X O B-Y", []),
        ("B-X I-X", [("X", 1, 1)]),
        ("I-Y B-X I-X", [("Y", 0, 0), ("X", 2, 2)]),
        ("I-X B-X B-X B-Y", [("X", 0, 0), ("X", 1, 1)]),
    ],
)
def test_well_formed_iob1(tags, wanted):
    assert list(well_formed_spans(tags.split(), "iob1")) == wanted


@pytest.mark.parametrize("scheme", SCHEMES[1:])
def test_prefixes_alone_mark_entities_of_one_type(scheme):
    """As key phrases and terms are published: the same entities as with the type spelled out."""
    draw = random.Random(scheme)
    named = [drawn(draw, scheme)[0] for _ in range(60)]
    sides = [[["O" if tag == "O" else f"{tag[0]}-X" for tag in tags] for tags in named]]
    sides.append([[tag[0] for tag in tags] for tags in sides[0]])
    for strict in (False, True):
        ours, theirs = ([chunk[:1] + chunk[2:] for chunk in chunks(s, scheme, strict)] for s in sides)
        assert ours == theirs
    task = tagging(scheme_of({tag for tags in sides[1] for tag in tags}))
    wrong = [["O"] * len(tags) for tags in sides[1]]
    assert score(judging(task), wrong, sides[1], "en").value == 0
    assert score(judging(task), sides[1], sides[1], "en").value == 100


def test_a_border_between_two_key_phrases_counts():
    found = score(judging(tagging(scheme_of(["O", "B", "I"]))), [["B", "I", "I"]], [["B", "I", "B"]], "en")
    assert found.value == 0 and found.components["accuracy"] == pytest.approx(200 / 3)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_xtremes_first_letters_say_nothing(scheme):
    """Types that begin with the letters of positions, and types of which one ends like another."""
    names = ["ORG", "EVENT", "SPORT", "BOOK", "ITEM", "x-ORG", "OUT", "."]
    gold = [[name if scheme == "bare" else f"{prefixes(scheme, 1, False)}-{name}", "O"] for name in names]
    task = tagging(scheme)
    assert score(judging(task), gold, gold, "en").value == 100
    for n in range(len(names)):
        missed = [["O", "O"] if n == m else tags for m, tags in enumerate(gold)]
        wrong = [gold[n - 1] if n == m else tags for m, tags in enumerate(gold)]
        everywhere = [[tags[0], gold[n][0]] for tags in gold]
        for mine in (missed, wrong, everywhere):
            assert score(judging(task), mine, gold, "en").value < 100


def test_bare_entities():
    task = tagging("bare", labels=("O", "PER", "ORG", "LOC"))
    no_org = [["O" if tag == "ORG" else tag for tag in tags] for tags in GOLD]
    all_org = [["ORG" if tag == "O" else tag for tag in tags] for tags in GOLD]
    found = [row(task, "en", Compared(mine, GOLD, task.labels)) for mine in (GOLD, no_org, all_org)]
    assert [line["score"] for line in found] == pytest.approx([100, 200 / 3, 400 / 9])
    assert [line["component_accuracy"] for line in found] == pytest.approx([100, 250 / 3, 100 / 3])
    assert "component_f1_strict" not in found[0]
    xtreme = Task("panx", "tagging", "entity_f1", (), {})
    assert judging(xtreme) is kind.scoring("tagging").metrics["entity_f1"]


UNIVERSAL = ["NOUN", "VERB", "SCONJ", "SYM", "X", "ADP"]


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        (["O", "PER", "ORG", "LOC"], "bare"),
        (UNIVERSAL, "bare"),
        (["O", "B-PER", "I-PER"], "iob2"),
        (["B-PER", "I-PER", "B-OUT"], "iob2"),
        (["O", "B-PER"], "iob2"),
        (["O", "I-PER", "I-LOC"], "iob1"),
        (["O", "B-PER", "I-PER", "E-PER", "S-PER"], "iobes"),
        (["O", "B-PER", "E-PER"], "iobes"),
        (["O", "B-PER", "I-PER", "L-PER", "U-PER"], "bilou"),
        (["O", "A-1", "N-2"], "bare"),
        (["N", "V-fin", "V-inf"], "bare"),
        (["O", "PER-SON", "PLA-CE"], "bare"),
        (["O", "MISC", "B", "I"], "bare"),
        (["O", "B"], "bare"),
        (["O", "B", "I"], "iob2"),
        (["B", "I"], "iob2"),
        (["O", "B", "I", "E", "S"], "iobes"),
        (["O", "B", "I", "L", "U"], "bilou"),
    ],
)
def test_the_scheme_follows_from_the_labels(labels, scheme):
    assert scheme_of(labels) == scheme


@pytest.mark.parametrize(
    "labels",
    [
        ["O", "B-PER", "I-PER", "MISC"],
        ["O", "B-PER", "I-PER", "E-PER", "L-PER"],
        ["O", "B-PER", "M-PER", "E-PER", "S-PER"],
        ["O", "S-PER", "S-LOC"],
        ["O", "B_PER", "I_PER"],
        ["O", "PER-B", "PER-I"],
        ["O", "b-per", "i-per"],
        ["O", "B:PER", "I:PER"],
        ["o", "per", "loc"],
        ["0", "PER", "LOC"],
        ["B", "M", "E", "S"],
        ["_", "PER", "LOC"],
        ["NONE", "PER", "LOC"],
        ["O", "B–PER", "I–PER"],
    ],
)
def test_what_is_not_clear_is_asked_for(tmp_path, labels):
    path = tmp_path / "tasks.yaml"
    (tmp_path / "a.tsv").write_text("".join(f"w\t{label}\n" for label in labels))
    entry = f"t: {{kind: tagging, labels: {labels}, files: {{train: a.tsv}}"
    path.write_text(f"tasks: {{{entry}}}}}")
    with pytest.raises(XferError, match="task 't': how its tags mark entities is not clear") as error:
        load_task_file(path)
    assert "tasks.yaml:1" in str(error.value) and "scheme: bare" in str(error.value)
    path.write_text(f"tasks: {{{entry}, scheme: bare}}}}")
    [count] = check_task_file(path)
    assert str(count).endswith("scheme: bare")


def loaded(tmp_path: Path, entry: str) -> Task:
    path = tmp_path / "tasks.yaml"
    path.write_text(f"tasks: {{t: {{kind: tagging, files: {{train: a.conll}}, {entry}}}}}")
    return load_task_file(path)[0]


def test_a_task_file_says_or_implies_the_scheme(tmp_path):
    assert loaded(tmp_path, "labels: [O, B-X, I-X]").option("scheme") == "iob2"
    assert loaded(tmp_path, "labels: [O, B-X, I-X], scheme: iob1").option("scheme") == "iob1"
    assert loaded(tmp_path, "labels: {O: O, U-X: S-X, B-X: B-X, E-X: E-X}").option("scheme") == "iobes"
    assert loaded(tmp_path, "labels: [O, B-X, I-X], scheme: xtreme").option("scheme") == "xtreme"
    with pytest.raises(XferError, match="scheme is 'bio'(.|\n)*Accepted: xtreme, bare"):
        loaded(tmp_path, "labels: [O, B-X, I-X], scheme: bio")


def test_xtremes_rule_for_xtremes_tasks(tmp_path):
    assert loaded(tmp_path, "extends: udpos").option("scheme") == "xtreme"
    assert loaded(tmp_path, "extends: panx").option("scheme") == "xtreme"
    assert loaded(tmp_path, "extends: udpos, labels: [NOUN, SYM, OTHER]").option("scheme") == "bare"
    assert loaded(tmp_path, "extends: panx, labels: [O, PER]").option("scheme") == "bare"


@pytest.mark.parametrize(
    ("labels", "metric"),
    [(["O", "PER"], "entity_f1"), (["O", "I-PER"], "entity_f1"), (UNIVERSAL, "tag_f1")],
)
def test_entities_are_scored_where_something_is_outside(tmp_path, labels, metric):
    assert loaded(tmp_path, f"labels: {labels}").metric == metric


def test_a_guess_is_judged_by_the_same_rule():
    judged, rng = kind.scoring("tagging"), np.random.default_rng(0)
    task = tagging("bare", labels=("O", "ORG"))
    base = judged.baselines(judging(task), [["ORG", "O"]] * 50, [["ORG"]], task.labels, "en", rng)
    assert base["majority"] == 0 and 0 < base["chance"] < 100


def test_tasks_without_a_declaration_follow_their_references():
    judged = kind.scoring("tagging")
    assert judged.options_of([["O", "B-X"], "I-X O", None]) == {"scheme": "iob2"}
    assert judged.options_of([["O", "ORG"]]) == {"scheme": "bare"}


def test_the_dev_score_reads_the_same_entities():
    model = kind.model("tagging")
    task = tagging("iobes", labels=("O", "B-X", "I-X", "E-X", "S-X"))
    gold = [["B-X", "E-X", "S-X", "O"]]
    assert model.dev_score(task, gold, gold) == 100
    assert model.dev_score(task, [["B-X", "E-X", "O", "O"]], gold) == pytest.approx(200 / 3)
    bare = tagging("bare", labels=("O", "ORG"))
    assert model.dev_score(bare, [["O", "O"]], [["ORG", "O"]]) == 0, "words outside are no merit"
    words = tagging("bare", "tag_f1", ("NOUN", "VERB"))
    assert model.dev_score(words, [["NOUN", "NOUN"]], [["NOUN", "VERB"]]) == 50


def test_tags_that_are_left_out_are_outside(tmp_path):
    (tmp_path / "a.conll").write_text("a\tX\nb\tY\n\nc\tX\n")
    loaded(tmp_path, "labels: [O, X], drop: [Y]")
    [count] = check_task_file(tmp_path / "tasks.yaml")
    assert count.labels == {"X": 2, "O": 1}
    loaded(tmp_path, "labels: [X, Z], drop: [Y]")
    with pytest.raises(XferError, match="a.conll:1: has a tag that drop leaves out, which needs the label O"):
        check_task_file(tmp_path / "tasks.yaml")


def test_iob1_is_told_from_iob2_by_the_right_tags():
    gold = [["I-X", "I-X", "O"], ["I-X", "B-X", "I-Y"]]
    found = score(judging(tagging("iob2")), gold, gold, "en")
    assert found.value == 100 and found.components["f1_strict"] == 100
    stray = [["B-X", "I-X", "O"], ["I-X", "O", "B-Y"]]
    found = score(judging(tagging("iob2")), stray, stray, "en")
    assert found.value == 100 and found.components["f1_strict"] == 100
    assert len(chunks(stray, "iob2", strict=True)) == 2, "the one that begins with I- is not counted"

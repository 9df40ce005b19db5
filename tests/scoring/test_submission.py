"""Scoring folders: parity on perturbed files, what is missing,
hostile files, and writing what is read back.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_xfer.commands.scoring import shown
from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.formats import path_of, read, write_predictions
from mlflow_xfer.scoring.submission import score_folder
from mlflow_xfer.scoring.suite import languages_of
from tests.conftest import MANY

from . import evaluate_rules
from .label_files import write_labels
from .scored_tasks import KINDS, suite_of

UPOS = ["NOUN", "VERB", "CCONJ", "SCONJ", "SYM", "ADP", "ADV", "X", "PUNCT"]
BIO = ["O", "O", "B-LOC", "I-LOC", "B-PER", "I-PER", "S-ORG", "E-ORG"]
WORDS = [
    "the",
    "cat",
    "die",
    "Katze,",
    "el",
    "«gato»",
    "ال",
    "القط",
    "của",
    "猫",
    "坐在，",
    "a",
    "$5",
    "É",
    "e\u0301",
]
EVERY = suite_of(*KINDS)


def example(rng: random.Random, task: str):
    """One random reference of a task, as ``write_labels`` takes it."""
    if task in ("xquad", "mlqa", "tydiqa"):
        return [phrase(rng) for _ in range(rng.randint(1, 3))]
    if task in ("udpos", "panx"):
        return [rng.choice(UPOS if task == "udpos" else BIO) for _ in range(rng.randint(1, 9))]
    if task == "mewslix":
        return [f"Q{rng.randint(1, 30)}"]
    return {"xnli": rng.choice(["entailment", "neutral"]), "xcopa": rng.randint(0, 1)}.get(
        task, rng.randint(0, 9)
    )


def phrase(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 4))) + "."


def perturbed(rng: random.Random, task: str, gold):
    """A prediction that is often right, sometimes wrong, and sometimes right but for its form."""
    if task in ("xquad", "mlqa", "tydiqa"):
        return rng.choice([gold[0], gold[-1].upper(), phrase(rng), gold[0] + " cat", "", None])
    if task in ("udpos", "panx"):
        return [tag if rng.random() < 0.8 else rng.choice(UPOS if task == "udpos" else BIO) for tag in gold]
    if task == "mewslix":
        return [f"Q{rng.randint(1, 30)}" for _ in range(rng.randint(0, 25))]
    return gold if rng.random() < 0.6 else example(rng, task)


def folders(root: Path, seed: int, names=tuple(KINDS)) -> tuple[Path, Path]:
    """A complete random submission and its labels."""
    rng = random.Random(seed)
    predictions, labels = root / "predictions", root / "labels"
    for name in names:
        task = KINDS[name]
        for language in task.languages:
            n = rng.randint(1, 12)
            ids = [f"q{i}" for i in range(n)]
            if name == "bucc2018":
                gold = [(f"{language}-{i}", f"en-{i}") for i in range(n)]
                mine = [
                    (f"{language}-{i}", f"en-{rng.choice([i, 0])}")
                    for i in range(n + 2)
                    if rng.random() < 0.8
                ]
            else:
                gold = [example(rng, name) for _ in range(n)]
                mine = [perturbed(rng, name, g) for g in gold]
            write_labels(labels, task, language, gold, ids)
            write_predictions(predictions, task, language, mine, ids)
    return predictions, labels


@pytest.mark.parametrize("seed", range(12))
def test_perturbed_copies_score_as_the_rules_say(tmp_path, seed):
    predictions, labels = folders(tmp_path, seed)
    got = score_folder(predictions, labels, EVERY, tasks=KINDS)
    for name, task in KINDS.items():
        expected = [evaluate_rules.score(name, lang, predictions, labels) for lang in task.languages]
        scores = got["tasks"][name]["languages"]
        assert [scores[lang]["score"] for lang in task.languages] == pytest.approx(expected, abs=1e-9), name
        assert got["tasks"][name]["score"] == pytest.approx(sum(expected) / len(expected), abs=1e-9)
    means = [task["score"] for task in got["tasks"].values()]
    assert got["avg"] == got["groups"]["all"] == pytest.approx(sum(means) / len(means), abs=1e-9)
    trained = [got["tasks"][name]["score"] for name, task in KINDS.items() if task.trained]
    assert got["avg_trained"] == pytest.approx(sum(trained) / len(trained), abs=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw.rstrip(b"\n"),
        lambda raw: raw.replace(b"\n", b" \t\n"),
    ],
    ids=["crlf", "no final newline", "blanks at line ends"],
)
def test_form_of_lines_has_no_say(tmp_path, change):
    predictions, labels = folders(tmp_path, 3)
    before = score_folder(predictions, labels, EVERY, tasks=KINDS)
    for file in (*predictions.rglob("test-*"), *labels.rglob("test-*")):
        file.write_bytes(change(file.read_bytes()))
    assert score_folder(predictions, labels, EVERY, tasks=KINDS) == before
    for name, task in KINDS.items():
        for lang in task.languages:
            expected = evaluate_rules.score(name, lang, predictions, labels)
            assert before["tasks"][name]["languages"][lang]["score"] == pytest.approx(expected, abs=1e-9)


def test_byte_order_mark_is_passed_over(tmp_path):
    predictions, labels = folders(tmp_path, 3, ["xnli", "xquad"])
    suite = suite_of("xnli", "xquad")
    before = score_folder(predictions, labels, suite, tasks=KINDS)
    for file in predictions.rglob("test-*"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert score_folder(predictions, labels, suite, tasks=KINDS) == before


def test_result_is_json_and_its_table_names_everything(tmp_path):
    predictions, labels = folders(tmp_path, 1)
    got = score_folder(predictions, labels, EVERY, tasks=KINDS)
    assert json.loads(json.dumps(got)) == got
    assert {"suite", "avg", "groups", "tasks", "missing"} <= set(got) and got["missing"] == []
    text = shown(got).plain()
    assert all(name in text for name in KINDS) and f"{got['avg']:.1f}" in text


def test_missing_parts_leave_no_total(tmp_path):
    predictions, labels = folders(tmp_path, 1)
    shutil.rmtree(predictions / "panx")
    path_of(predictions, KINDS["xnli"], "sw").unlink()
    said = []
    got = score_folder(predictions, labels, EVERY, tasks=KINDS, warn=said.append)
    assert got["missing"] == ["xnli/sw", "panx"]
    assert got["avg"] is None and got["groups"] == {"all": None} and got["tasks"]["xnli"]["score"] is None
    assert set(got["tasks"]["xnli"]["languages"]) == {"de", "en"} and "panx" not in got["tasks"]
    assert got["tasks"]["udpos"]["score"] is not None
    missing = [line for line in said if line.startswith("missing: ")]
    assert len(missing) == 1 and "test-sw.tsv" in missing[0]
    assert "Missing: xnli/sw, panx." in shown(got).plain()


def test_missing_files_are_told_in_one_line_a_task(tmp_path):
    predictions, labels = folders(tmp_path, 1, ["xquad", "xnli"])
    for language in KINDS["xquad"].languages[1:]:
        path_of(predictions, KINDS["xquad"], language).unlink()
    said = []
    score_folder(predictions, labels, EVERY, tasks=KINDS, warn=said.append)
    [line] = [line for line in said if line.startswith("missing: ")]
    assert line.startswith("missing: 10 files of xquad: ") and line.endswith(" and 7 more")
    assert str(path_of(predictions, KINDS["xquad"], "de")) in line


def test_nothing_there_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(XferError, match="no such folder"):
        score_folder(tmp_path / "nowhere", tmp_path / "empty", EVERY, tasks=KINDS)
    with pytest.raises(XferError, match="xnli/test-de.tsv"):
        score_folder(tmp_path / "empty", tmp_path / "empty", EVERY, tasks=KINDS)


def test_stripped_labels_are_unscored_not_a_third_right(tmp_path):
    task = KINDS["xnli"]
    for language in task.languages:
        write_predictions(tmp_path / "p", task, language, ["neutral"] * 300)
        write_labels(tmp_path / "l", task, language, ["neutral"] * 300)
    write_labels(tmp_path / "l", task, "en", ["neutral", "entailment"] * 150)
    said = []
    got = score_folder(tmp_path / "p", tmp_path / "l", suite_of("xnli"), tasks=KINDS, warn=said.append)
    assert got["missing"] == ["xnli/de", "xnli/sw"] and got["avg"] is None
    assert all(line.startswith("unscored") for line in said) and len(said) == 2
    for folder, texts in (("p", ["x"]), ("l", [""])):
        write = write_predictions if folder == "p" else write_labels
        write(tmp_path / folder, KINDS["xquad"], "en", texts, ["q1"])
    with pytest.raises(XferError, match="no question has an answer"):
        read(*(path_of(tmp_path / folder, KINDS["xquad"], "en") for folder in "pl"), KINDS["xquad"])


BROKEN = {
    "truncated json": ("xquad", lambda raw: raw[: len(raw) // 2], "is not JSON"),
    "latin-1": ("xquad", lambda raw: '{"q0": "é"}'.encode("latin-1"), "is not UTF-8"),
    "utf-16": ("xnli", lambda raw: raw.decode().encode("utf-16"), "is UTF-16"),
    "nul": ("xnli", lambda raw: raw.replace(b"n", b"\0", 1), "NUL byte"),
    "too short": ("xnli", lambda raw: raw[raw.index(b"\n") + 1 :] or b"", "examples"),
    "too long": ("tatoeba", lambda raw: raw + b"7\n", "examples"),
    "sentence cut": ("panx", lambda raw: b"\n\nO\n" + raw, "sentence 1 has"),
    "sentence lost": ("udpos", lambda raw: raw + b"\nNOUN\n", "examples"),
    "not an object": ("mlqa", lambda raw: b"[1, 2]", "holds a list"),
    "answer is a number": ("mlqa", lambda raw: b'{"q0": 3}', "is not a text"),
    "label is a text": ("xcopa", lambda raw: b'{"label": "0"}\n' * raw.count(b"\n"), "no integer label"),
    "score before a pair": ("bucc2018", lambda raw: b"0.9\t" + raw, "is no pair of ids"),
    "pair with blanks": ("bucc2018", lambda raw: raw.replace(b"\t", b" "), "is no pair of ids"),
    "pairs turned": ("bucc2018", lambda raw: turned(raw), "stand the other way round"),
    "word before its tag": ("panx", lambda raw: b"Rina\t" + raw.lstrip(b"\n"), "is no tag"),
    "row is not json": ("xcopa", lambda raw: b"0\n" * raw.count(b"\n"), "no integer label"),
    "ranks are a text": ("mewslix", lambda raw: b'{"q0": "Q1"}', "no list of ids"),
    "ranks hold lists": ("mewslix", lambda raw: b'{"q0": [["Q1"]]}', "is not an id"),
    "deep json": ("mewslix", lambda raw: b'{"q0":' + b"[" * 100000, "read as JSON|not JSON"),
    "huge number": ("xcopa", lambda raw: b'{"label": ' + b"9" * 5000 + b"}\n", "JSON"),
}


def turned(raw: bytes) -> bytes:
    return b"".join(b"\t".join(reversed(line.split(b"\t"))) + b"\n" for line in raw.splitlines())


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_named(tmp_path, case):
    name, change, message = BROKEN[case]
    predictions, labels = folders(tmp_path, 5, [name])
    file = path_of(predictions, KINDS[name], KINDS[name].languages[0])
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(XferError, match=message) as caught:
        score_folder(predictions, labels, suite_of(name), tasks=KINDS)
    assert file.name in str(caught.value) and caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["udpos", "panx"])
@pytest.mark.parametrize("seed", range(4))
def test_tags_out_of_step_score_as_the_rules_say(tmp_path, name, seed):
    """XTREME compares places in the file: where a word or a whole sentence is lost, or a blank line doubled,
    and the numbers of sentences agree, what follows is compared with the wrong words. That figure is given,
    with a warning."""
    predictions, labels = folders(tmp_path, seed, [name])
    rng, said = random.Random(seed), []
    for language in KINDS[name].languages:
        gold, mine = (path_of(folder, KINDS[name], language) for folder in (labels, predictions))
        gold.write_text("NOUN\n\nNOUN\n\nNOUN\n" + gold.read_text("utf-8"), "utf-8")
        lines = ["NOUN", "", "", "NOUN", *mine.read_text("utf-8").split("\n")]
        del lines[rng.choice([n for n, line in enumerate(lines) if line])]
        mine.write_text("\n".join(lines), "utf-8")
    got = score_folder(predictions, labels, suite_of(name), tasks=KINDS, warn=said.append)["tasks"][name][
        "languages"
    ]
    for language, figures in got.items():
        assert figures["score"] == pytest.approx(
            evaluate_rules.score(name, language, predictions, labels), abs=1e-9
        )
    assert len(got) == len(KINDS[name].languages) and any("wrong words" in line for line in said)


def test_all_broken_files_are_named_at_once(tmp_path):
    predictions, labels = folders(tmp_path, 5)
    for name in ("xquad", "xnli"):
        path_of(predictions, KINDS[name], "en").write_bytes(b"\xff")
    with pytest.raises(XferError, match="(?s)2 problems.*xnli.*xquad"):
        score_folder(predictions, labels, EVERY, tasks=KINDS)


def test_labels_not_in_squad_format(tmp_path):
    predictions, labels = folders(tmp_path, 5, ["xquad"])
    path_of(labels, KINDS["xquad"], "en").write_text('{"data": [{"qas": []}]}')
    with pytest.raises(XferError, match="not in SQuAD's format"):
        score_folder(predictions, labels, suite_of("xquad"), tasks=KINDS)


@pytest.mark.parametrize(("name", "empty"), [("xquad", b"{}"), ("mewslix", b"{}"), ("bucc2018", b"")])
def test_nothing_predicted_scores_nothing(tmp_path, name, empty):
    """Missing questions, queries and pairs count as wrong, as in XTREME's script;
    a missing line is an error (above).
    """
    predictions, labels = folders(tmp_path, 4, [name])
    for language in KINDS[name].languages:
        path_of(predictions, KINDS[name], language).write_bytes(empty)
    assert score_folder(predictions, labels, suite_of(name), tasks=KINDS)["avg"] == 0
    assert evaluate_rules.score(name, KINDS[name].languages[0], predictions, labels) == 0


def test_ten_megabyte_line_is_one_wrong_label(tmp_path):
    task = KINDS["xnli"]
    for language in task.languages:
        write_labels(tmp_path / "l", task, language, ["neutral", "entailment"])
        write_predictions(tmp_path / "p", task, language, ["neutral", "n" * 10_000_000])
    got = score_folder(tmp_path / "p", tmp_path / "l", suite_of("xnli"), tasks=KINDS)
    assert got["avg"] == 50


def test_repeated_ids(tmp_path):
    """In labels each occurrence is a question;
    in predictions the last one counts: so does XTREME's script.
    """
    task, label = KINDS["xquad"], '{"data": [{"paragraphs": [{"qas": [%s]}]}]}'
    question = '{"id": "q", "answers": [{"text": "%s"}]}'
    file = path_of(tmp_path / "l", task, "en")
    file.parent.mkdir(parents=True)
    file.write_text(label % ", ".join([question % "cat", question % "dog"]))
    mine = path_of(tmp_path / "p", task, "en")
    mine.parent.mkdir(parents=True)
    mine.write_text('{"q": "cow", "q": "cat"}')
    said = []
    predicted, references = read(mine, file, task, said.append)
    assert "'q' has several answers" in said[0]
    assert predicted == ["cat", "cat"] and references == [["cat"], ["dog"]]
    assert evaluate_rules.score("xquad", "en", tmp_path / "p", tmp_path / "l") == 50


def test_names_cannot_leave_the_folder(tmp_path):
    for language in ("../en", "..", "a/b", "", "en\0", "/etc"):
        with pytest.raises(XferError, match="cannot be a language's file name"):
            path_of(tmp_path, KINDS["xnli"], language)


def test_values_that_a_format_cannot_hold(tmp_path):
    for label in ("a\nb", "", "a\tb", "\0", "\ud800"):
        with pytest.raises(XferError, match="cannot stand in"):
            write_predictions(tmp_path, KINDS["xnli"], "en", [label])
    with pytest.raises(XferError, match="'q1' occurs twice"):
        write_predictions(tmp_path, KINDS["xquad"], "en", ["a", "b"], ["q1", "q1"])
    with pytest.raises(XferError, match="2 values need as many ids"):
        write_predictions(tmp_path, KINDS["xquad"], "en", ["a", "b"])


@settings(deadline=None, max_examples=40 * MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.text(max_size=8)), min_size=1, max_size=5)
)
def test_any_answers_come_back(tmp_path, answers):
    task = KINDS["xquad"]
    if set(answers) == {"data"}:
        return  # XTREME reads {"data": …} as a wrapper
    ids = [key for key in answers if key != "data"]
    mine = write_predictions(tmp_path / "p", task, "en", [answers[key] for key in ids], ids)
    gold = write_labels(tmp_path / "l", task, "en", [["x"]] * len(ids), ids)
    predicted, _ = read(mine, gold, task)
    assert predicted == [answers[key] for key in ids]


@settings(deadline=None, max_examples=80 * MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=60), st.booleans(), st.integers(0, 100))
def test_any_bytes_end_in_a_score_or_a_clear_error(tmp_path, name, junk, labels_too, at):
    root = tmp_path / str(random.getrandbits(64))
    predictions, labels = folders(root, 2, [name])
    task = KINDS[name]
    file = path_of(labels if labels_too else predictions, task, task.languages[0])
    raw = file.read_bytes()
    file.write_bytes(raw[: at % (len(raw) + 1)] + junk + raw[at % (len(raw) + 1) :])
    try:
        got = score_folder(predictions, labels, suite_of(name), tasks=KINDS)
    except XferError as error:
        assert task.languages[0] in str(error)
    else:
        assert got["avg"] is None or 0 <= got["avg"] <= 100
    shutil.rmtree(root)


def test_order_of_files_and_languages_has_no_say(tmp_path):
    predictions, labels = folders(tmp_path, 7)
    first = score_folder(predictions, labels, EVERY, tasks=KINDS)
    shuffled = suite_of(*reversed(KINDS))
    again = score_folder(predictions, labels, shuffled, tasks=KINDS)
    assert again["avg"] == pytest.approx(first["avg"], abs=1e-12) and again["tasks"] == first["tasks"]


@pytest.mark.parametrize(
    ("name", "gold", "mine", "says"),
    [
        ("xnli", ["neutral", "entailment"], ["1", "entailment"], "1 predictions are none of .*'1'"),
        ("xnli", ["0", "2"], ["entailment", "neutral"], "2 predictions are none of the labels"),
        ("xcopa", [0, 1], [1, 2], "1 predictions are none of the labels, such as '2'"),
        ("tatoeba", [0, 1], [1, 2], "1 predictions are none of the labels, such as '2'"),
        ("panx", [["O", "B-PER"]], [["O", "PER"]], "1 predictions are none of the labels, such as 'PER'"),
        ("xquad", [["a"], ["b"]], ["a", None], "1 of 2 have no prediction; each counts as wrong"),
        ("mewslix", [["Q1"], ["Q2"]], [["Q1"], []], "1 of 2 have no prediction"),
    ],
)
def test_predictions_that_cannot_be_right_are_told(tmp_path, name, gold, mine, says):
    task, ids = KINDS[name], ["q0", "q1"]
    suite = suite_of(name)
    for language in languages_of(suite, name):
        write_labels(tmp_path / "l", task, language, gold, ids)
        write_predictions(tmp_path / "p", task, language, mine, ids)
    said = []
    score_folder(tmp_path / "p", tmp_path / "l", suite, tasks=KINDS, warn=said.append)
    assert len(said) == len(languages_of(suite, name))
    assert all(re.search(says, line) and "test-" in line for line in said)


def of_labels(tmp_path, gold: str) -> tuple[Path, Path]:
    """Folders with predictions and the labels ``gold`` of XNLI in one language."""
    task = KINDS["xnli"]
    for side, text in (("p", "neutral\nentailment\n"), ("l", gold)):
        file = path_of(tmp_path / side, task, task.languages[0])
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return tmp_path / "p", tmp_path / "l"


def test_a_blank_label_is_refused(tmp_path):
    with pytest.raises(XferError, match=r"test-\w+.tsv:2 is blank, 1 labels are"):
        score_folder(*of_labels(tmp_path, "neutral\n\n"), suite_of("xnli"), tasks=KINDS)


def test_labels_that_are_not_the_tasks_are_told(tmp_path):
    said = []
    task = replace(KINDS["xnli"], labels=("entailment", "neutral", "contradiction"))
    folders = of_labels(tmp_path, "neutral\ncontradictory\n")
    score_folder(*folders, suite_of("xnli"), tasks={"xnli": task}, warn=said.append)
    assert any("1 labels are not the task's, such as 'contradictory'" in line for line in said)


def test_labels_that_a_test_set_lacks_are_no_fault(tmp_path):
    said = []
    task = replace(KINDS["xnli"], labels=("entailment", "neutral", "contradiction"))
    for language in task.languages:
        write_labels(tmp_path / "l", task, language, ["neutral", "entailment"])
        write_predictions(tmp_path / "p", task, language, ["neutral", "contradiction"])
    score_folder(tmp_path / "p", tmp_path / "l", suite_of("xnli"), tasks={"xnli": task}, warn=said.append)
    assert not said

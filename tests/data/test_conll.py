"""Tables of words and tags as programs and corpora write them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import Files, Task
from mlflow_xfer.tasks.task_file import load_task_file
from tests.conftest import MANY

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "SYM")
Sentences = list[list[tuple[str, str]]]
TWO: Sentences = [
    [("Rina", "B-PER"), ("lives", "O"), ("in", "O"), ("Lima", "B-LOC")],
    [("Tomas", "B-PER"), ("#", "O"), ("left", "O")],
]


def read(path: Path, form: str = "conll", labels=TAGS, language: str = "en", **columns) -> Sentences:
    files = Files({"train": str(path)}, format=form, columns=columns, languages={"train": (language,)})
    task = Task("t", "tagging", "entity_f1", (language,), {"file": (files,)}, labels)
    rows = sources.read(task, sources.locate(task, "train", language, "mini")).to_list()
    return [list(zip(row["words"], row["tags"], strict=True)) for row in rows]


def lines_of(sentence, line: Callable[[str, str], str]) -> str:
    return "".join(line(word, tag) + "\n" for word, tag in sentence)


def joined(sentences: Sentences, line, before: str = "", between: str = "\n") -> str:
    return between.join(before + lines_of(sentence, line) for sentence in sentences)


def tabbed(word: str, tag: str) -> str:
    return f"{word}\t{tag}"


def spaced(word: str, tag: str) -> str:
    return f"{word} {tag}"


SHAPES = {
    "tabs": joined(TWO, tabbed),
    "blanks": joined(TWO, spaced),
    "four columns": joined(TWO, lambda word, tag: f"{word} _ _ {tag}"),
    "aligned": joined(TWO, lambda word, tag: f"{word:10}{tag}"),
    "aligned by tabs": joined(TWO, lambda word, tag: f"{word}\t\t{tag}"),
    "aligned by as many tabs as it takes": joined(
        TWO, lambda word, tag: f"{word}\t" + "\t" * (len(word) < 3) + tag
    ),
    "aligned to the right": joined(TWO, lambda word, tag: f"{word:>10} {tag:>6}"),
    "blanks after": joined(TWO, lambda word, tag: f"{word} {tag}" + " " * (tag == "O")),
    "a tab after": joined(TWO, lambda word, tag: f"{word}\t{tag}" + "\t" * (tag == "O")),
    "a blank after, with tabs": joined(TWO, lambda word, tag: f"{word}\t{tag} "),
    "comments": joined(TWO, tabbed, "# newdoc\n# text = Rina lives\n"),
    "comments with tabs": joined(TWO, tabbed, "# id\tx\ty\n"),
    "comments of as many fields": joined(TWO, lambda word, tag: f"{word} _ _ {tag}", "# id a domain=news\n"),
    "tabs in comments alone": joined(TWO, spaced, "# id 7a31\tdomain=news\n"),
    "comments without a blank": joined(TWO, spaced, "#sent_id=1\n"),
    "starts of documents": joined(TWO, lambda word, tag: f"{word} N B-NP {tag}", "-DOCSTART- -X- -X- O\n\n"),
    "starts without a blank line": joined(TWO, spaced, "-DOCSTART- O\n", between=""),
    "documents that end": joined(TWO, spaced, "#begin document (a); part 0\n") + "#end document\n",
    "starts in one field": joined(TWO, tabbed, "-DOCSTART-\n\n"),
    "lines of blanks between": joined(TWO, spaced, between="  \n\t\n"),
    "blank lines first": "\n\n" + joined(TWO, tabbed),
    "windows": joined(TWO, tabbed).replace("\n", "\r\n"),
    "a byte order mark and a comment": "\ufeff" + joined(TWO, tabbed, "# newdoc\n"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_one_corpus_in_many_shapes(tmp_path, shape):
    path = tmp_path / "a.conll"
    path.write_bytes(SHAPES[shape].encode())
    assert read(path, words=0, tags=2 if shape == "aligned by tabs" else -1) == TWO


COUNTED = {
    "universal ner": ("# sent_id = a\n", "{n}\t{word}\t{tag}\t-\t-\n", {"words": 1, "tags": 2}, ""),
    "blanks": ("", "{n} {word} {tag}\n", {"words": 1, "tags": -1}, ""),
    "parts of words": ("", "{n}\t{word}\t{tag}\n", {"words": 1, "tags": 2}, "1-2\tboth\t_\n"),
    "words left out": ("# text\n", "{n}\t{word}\t{tag}\n", {"words": 1, "tags": 2}, "0.1\tgone\t_\n"),
}


@pytest.mark.parametrize("shape", COUNTED)
def test_tables_that_number_their_words(tmp_path, shape):
    before, line, columns, more = COUNTED[shape]
    text = "\n".join(
        before + more + "".join(line.format(n=n, word=w, tag=t) for n, (w, t) in enumerate(sentence, 1))
        for sentence in TWO
    )
    (tmp_path / "a.conll").write_text(text)
    assert read(tmp_path / "a.conll", **columns) == TWO
    with pytest.raises(XferError, match="column 0 counts the words"):
        read(tmp_path / "a.conll")


NUMBERS = {
    "from 0": ("0", "1", "0", "1"),
    "through the file": ("1", "2", "3", "4"),
    "with some left out": ("1", "3", "2", "7"),
    "with the sentence's": ("1-1", "1-2", "2-1", "2-2"),
    "with parts": ("1-1", "1-1.1", "2-1", "2-2"),
    "where they stand": ("0-4", "5-9", "10-14", "15-17"),
}


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("between", ["\t", " "])
def test_numbers_of_words_are_no_words(tmp_path, numbers, between):
    lines = [between.join((number, "Rina", "B-PER")) for number in NUMBERS[numbers]]
    (tmp_path / "a.conll").write_text("\n".join([*lines[:2], "", *lines[2:]]) + "\n")
    with pytest.raises(XferError, match=r"a.conll:1: column 0 counts the words"):
        read(tmp_path / "a.conll")
    assert read(tmp_path / "a.conll", words=1, tags=2) == [[("Rina", "B-PER")] * 2] * 2


PREFIXED = [[("nb:Rina", "B-PER"), ("nb::", "O")], [("nb:nb:Lima", "B-LOC"), ("Tomas", "B-PER")]]


@pytest.mark.parametrize("prefix", ["nb", "no"])
def test_any_code_of_its_language_is_cut_from_the_words(tmp_path, prefix):
    path = tmp_path / "a.conll"
    path.write_text(joined(PREFIXED, tabbed).replace("nb:", f"{prefix}:"))
    words = [word for sentence in read(path, language="no") for word, _ in sentence]
    assert words == ["Rina", ":", f"{prefix}:Lima", "Tomas"]


def test_the_code_of_another_language_before_words_is_refused(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text(joined(PREFIXED, tabbed))
    with pytest.raises(XferError, match="3 of 4 words begin with 'nb:', which does not name de"):
        read(path, language="de")


@pytest.mark.parametrize("words", ["re:zero", "re:zero is re:one here", "http://a http://b"])
def test_colons_in_words_are_no_prefix(tmp_path, words):
    (tmp_path / "a.conll").write_text("".join(f"{word}\tO\n" for word in words.split()))
    assert [word for word, _ in read(tmp_path / "a.conll")[0]] == words.split()


@pytest.mark.parametrize("words", ["3 1 2 4", "2 2 3 4", "1 2 3 x", "10 3-1 4-0 5"])
def test_numbers_that_do_not_rise_are_words(tmp_path, words):
    first, second, *others = words.split()
    lines = [f"{word}\tCD\tO" for word in (first, second, "", *others)]
    (tmp_path / "a.conll").write_text("\n".join(line.strip("\tCDO") and line for line in lines) + "\n")
    assert [word for sentence in read(tmp_path / "a.conll") for word, _ in sentence] == words.split()


def test_numbers_are_words_where_nothing_else_is(tmp_path):
    (tmp_path / "a.conll").write_text("1\tO\n2\tO\n\n1\tO\n")
    assert read(tmp_path / "a.conll") == [[("1", "O"), ("2", "O")], [("1", "O")]]


@pytest.mark.parametrize(
    "text",
    [
        "#\tSYM\nx\tO\n",
        "# SYM\nx O\n\ny SYM\n",
        "x O\n#tag SYM\n",
        "#tag\tSYM\nx\tO\n",
        "#tag SYM\nx O\n",
        "#newdoc 12\n#tag SYM\nx O\n",
        "# SYM\n1 NOUN\nruns VERB\n\nthe DET\ndog NOUN\n",
        "# newdoc\n# SYM\n1 NOUN\n",
        "# _ SYM\nRina _ NOUN\n",
    ],
)
def test_a_hash_may_be_a_token(tmp_path, text):
    (tmp_path / "a.conll").write_text(text)
    labels = (*TAGS, "NOUN", "VERB", "DET")
    first = read(tmp_path / "a.conll", labels=labels)[0]
    assert "SYM" in {tag for word, tag in first if word[0] == "#"}


def test_a_hash_may_begin_the_only_entity_of_its_type(tmp_path):
    (tmp_path / "a.conll").write_text("# B-PER\nRina I-PER\n\nin O\nLima B-LOC\n")
    assert read(tmp_path / "a.conll")[0] == [("#", "B-PER"), ("Rina", "I-PER")]


@pytest.mark.parametrize("comment", ["# newdoc", "# TODO", "# sym", "# text = a", "#", "# NOTE SYM"])
@pytest.mark.parametrize("tag", ["NOUN", "noun", "B-PER"])
def test_a_comment_of_one_word_is_no_token(tmp_path, comment, tag):
    (tmp_path / "a.conll").write_text(f"{comment}\nRina {tag}\n")
    assert read(tmp_path / "a.conll", labels=("NOUN", "noun", "B-PER")) == [[("Rina", tag)]]


def test_conllu_with_ranges_and_empty_nodes(tmp_path):
    def line(number, word, tag):
        return "\t".join([number, word, "_", tag, *"_____", "_"]) + "\n"

    text = "# sent_id = 1\n" + line("1-2", "du", "_") + line("1", "de", "ADP") + line("2", "le", "DET")
    text += line("2.1", "est", "AUX") + line("3", "chat", "NOUN")
    (tmp_path / "a.conllu").write_text(text)
    [sentence] = read(tmp_path / "a.conllu", "conllu", ("ADP", "DET", "NOUN"))
    assert sentence == [("de", "ADP"), ("le", "DET"), ("chat", "NOUN")]
    with pytest.raises(XferError, match="column of tags of CoNLL-U 'feats'"):
        read(tmp_path / "a.conllu", "conllu", tags="feats")
    assert read(tmp_path / "a.conllu", "conllu", ("ADP", "DET", "NOUN"), words="form") == [sentence]
    assert read(tmp_path / "a.conllu", "conllu", ("ADP", "DET", "NOUN"), words=1) == [sentence]
    for column in ("lemma", 2):
        with pytest.raises(XferError, match=f"column of words of CoNLL-U '{column}'"):
            read(tmp_path / "a.conllu", "conllu", words=column)


@pytest.mark.parametrize(
    ("ids", "at"),
    [
        (["1", "2", "1", "2"], 3),
        (["1", "1"], 2),
        (["1-2", "1", "2", "# sent_id = 2", "1-2", "1", "2"], 6),
        (["1", "2", "2.1", "1"], 4),
        (["1", "3", "2"], 3),
    ],
)
def test_sentences_of_conllu_without_a_blank_line_between_are_refused(tmp_path, ids, at):
    path = tmp_path / "a.conllu"
    rest = "\tx\t_\tO" + 6 * "\t_"
    lines = [one if one[0] == "#" else one + rest for one in ids]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(XferError, match=rf"a.conllu:{at}: has the id .* rise") as error:
        read(path, "conllu")
    assert "A blank line ends a sentence" in str(error.value)
    path.write_text("\n".join([*lines[: at - 1], "", *lines[at - 1 :]]) + "\n")
    assert len(read(path, "conllu")) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Rina B-PER\nlives\nin O\n", r"a.conll:2: has 1 fields, other lines have 2"),
        ("Rina B-PER\nlives O O\nin O\n", r"a.conll:2: has 3 fields, other lines have 2"),
        ("Rina\tof\tB-PER\nx\tO\nin\tO\n", r"a.conll:1: has 3 fields, other lines have 2"),
        ("Rina\tN\tB-PER\nin\tO\t\nx\tN\tO\n", r"a.conll:2: has 2 fields, other lines have 3"),
        ("Rina\tof\tB-PER\nx\tO\n", r"fields, other lines have"),
        ("Rina\tB-PER\nlives\n", r"a.conll:2: token 'lives' has no tag"),
        ("Rina\nlives\n", r"no row has a label.\n  The first is .*a.conll:1"),
        ("Rina\tPERSON\n", r"a.conll:1: word 1 of the sentence, 'Rina', has label 'PERSON'"),
        ("x B-PER\nlives O\nin NEIN\n", r"a.conll:1: word 3 of the sentence, 'in', has label 'NEIN'"),
        ("# only a comment\n", "is empty"),
        ("-DOCSTART- O\n", "is empty"),
    ],
)
def test_the_true_reason_is_said(tmp_path, text, says):
    (tmp_path / "a.conll").write_text(text)
    with pytest.raises(XferError, match=says):
        read(tmp_path / "a.conll")


def test_tokens_with_blanks_and_no_tags_are_words_alone(tmp_path):
    (tmp_path / "a.conll").write_text("công việc\ntốt\nlắm\n")
    with pytest.raises(XferError, match="no row has a label"):
        read(tmp_path / "a.conll")


def test_space_that_is_no_blank_stands_inside_words(tmp_path):
    (tmp_path / "a.conll").write_text("10\u00a0000 O\nRina B-PER\n")
    assert read(tmp_path / "a.conll") == [[("10\u00a0000", "O"), ("Rina", "B-PER")]]


def test_columns_of_tables_without_names_are_positions(tmp_path):
    path = tmp_path / "tasks.yaml"
    entry = "t: {kind: tagging, labels: [O, B-X], columns: {words: token}, files: {train: a.conll}}"
    path.write_text(f"tasks: {{{entry}}}")
    with pytest.raises(XferError, match="words is a position"):
        load_task_file(path)


@pytest.mark.parametrize("seed", range(50 * MANY))
def test_what_is_written_is_read(tmp_path, seed):
    """Random corpora in random shapes; what is right is the corpus itself."""
    draw = random.Random(seed)
    words = ["Rina", "#", "#tag", "1", "-", "10,5", "é", "ﷺ", "_", "B-PER", "-DOCSTART", '"', "\u3000x"]
    corpus = [
        [(draw.choice(words), draw.choice(TAGS[:5])) for _ in range(draw.randint(1, 6))]
        for _ in range(draw.randint(1, 6))
    ]
    corpus.append([("end", tag) for tag in TAGS])  # each tag is seen
    counts, tab = draw.random() < 0.4, draw.random() < 0.5
    more = draw.randint(0, 2)
    comment = draw.choice(["", "# newdoc\n", "# text = a b c d e f g h\n", "#\n"])
    gap = draw.choice(["\n", "\n\n", " \n", "\n-DOCSTART- -X- O O\n\n"])
    after = draw.choice(["", " "]) if not tab else ""
    texts = []
    for sentence in corpus:
        lines = [comment]
        if counts:
            lines.append("\t".join(["1-2", *"_" * (more + 2)]) + "\n" if tab else "")
        for n, (word, tag) in enumerate(sentence, 1):
            fields = [*([str(n)] if counts else []), word, *"_" * more, tag]
            lines.append(("\t" if tab else draw.choice([" ", "  "])).join(fields) + after + "\n")
        texts.append("".join(lines))
    path = tmp_path / "a.conll"
    path.write_bytes(gap.join(texts).replace("\n", draw.choice(["\n", "\r\n"])).encode())
    assert read(path, words=int(counts), tags=-1) == corpus

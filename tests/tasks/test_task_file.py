"""Tasks declared in YAML files: what they say, how they read, and how mistakes are reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_xfer.data import sources
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tasks.task_file import fields, load_task_file
from tests.conftest import MANY

EXAMPLE = Path(__file__).parents[1] / "data" / "files" / "tasks.yaml"


@pytest.fixture
def write(tmp_path):
    """Write a task file (a body of entries) and the files it names; returns its path."""

    def made(body: str, **files: str) -> Path:
        path = tmp_path / "tasks.yaml"
        path.write_text(
            "tasks:\n" + "".join(f"  {line}\n" for line in body.strip("\n").split("\n")), encoding="utf-8"
        )
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_text(content, encoding="utf-8", newline="")
        return path

    return made


def rows(task, split, language="en") -> list[dict]:
    return sources.read(task, sources.locate(task, split, language, "mini")).to_list()


def test_the_example_reads():
    weather, colours = load_task_file(EXAMPLE)
    assert weather.labels == ("entailment", "neutral", "contradiction") and weather.metric == "accuracy"
    assert (
        weather.languages == ("de", "sw")
        and weather.train_languages == ("en",)
        and weather.uses == ("intermediate", "target")
    )
    assert (
        weather.recipe.learning_rate == 3e-5
        and weather.recipe.num_train_epochs == 2
        and weather.recipe.train_batch_size == 32
    )
    assert colours.kind == "tagging" and colours.metric == "entity_f1" and colours.uses == ("intermediate",)
    assert rows(weather, "test", "sw")[0] == {
        "id": "0",
        "text_a": "Mvua inanyesha.",
        "text_b": "Kuna maji.",
        "label": "entailment",
    }
    assert rows(colours, "train", "sw")[1] == {
        "id": "1",
        "words": ["Gari", "jeusi", "sana"],
        "tags": ["O", "B-COLOUR", "I-COLOUR"],
    }


def test_the_check_counts_rows_and_labels():
    found = [str(count) for count in check_task_file(EXAMPLE)]
    assert "weather-nli  test  de  3 rows  contradiction 1, entailment 1, neutral 1" in found
    assert "colours  train  sw  2 rows  O 3, B-COLOUR 2, I-COLOUR 1  scheme: iob2" in found
    assert [line.split("  ")[:3] for line in found] == [
        ["weather-nli", "train", "en"],
        ["weather-nli", "validation", "en"],
        ["weather-nli", "test", "de"],
        ["weather-nli", "test", "sw"],
        ["colours", "train", "sw"],
    ]


def test_a_validation_split_is_cut_from_the_training_rows_by_their_text():
    weather = load_task_file(EXAMPLE)[0]
    train, dev = rows(weather, "train"), rows(weather, "validation")
    assert len(train) + len(dev) == 18 and dev and train
    assert not {r["text_a"] for r in train} & {r["text_a"] for r in dev}  # no premise on both sides
    one, other = (sources.locate(weather, split, "en", "mini") for split in ("train", "validation"))
    assert one.identity != other.identity and one.paths == other.paths


def test_the_cut_does_not_move_when_rows_are_added(write):
    entry = (
        "t:\n  kind: classification\n  labels: [x, y]\n  columns: {text_a: 0, label: 1}\n  "
        "validation_fraction: 0.3\n  files: {train: a.tsv}"
    )
    lines = [f"text {n}\t{'xy'[n % 2]}\n" for n in range(200)]
    small = {
        r["text_a"] for r in rows(load_task_file(write(entry, a__tsv="".join(lines[50:])))[0], "validation")
    }
    large = {r["text_a"] for r in rows(load_task_file(write(entry, a__tsv="".join(lines)))[0], "validation")}
    assert small < large and 40 < len(large) < 80


# -- what can be said ----------------------------------------------------------------------------------------
def test_per_language_files_several_files_and_positions(write):
    path = write(
        """
t:
  kind: classification
  labels: {0: bad, 1: good}
  columns: {text_a: 1, label: -1}
  files:
    train: [a.csv, b.csv]
    test: {de: c.csv, "no": [c.csv, a.csv]}
""",
        a__csv="1,one,0\n",
        b__csv='2,"two, two",1\n',
        c__csv="3,drei,1\n",
    )
    [task] = load_task_file(path)
    assert task.languages == ("de", "no") and [r["text_a"] for r in rows(task, "train")] == [
        "one",
        "two, two",
    ]
    assert [(r["text_a"], r["label"]) for r in rows(task, "test", "no")] == [("drei", "good"), ("one", "bad")]
    assert sources.locate(task, "test", "fr", "mini") is None
    assert sources.available(task, "test", "mini") == ("de", "no")


def test_ids_choose_rows(write):
    path = write(
        """
t:
  kind: classification
  labels: ["yes", "no"]
  columns: {text_a: q, text_b: inside.texts, label: l}
  files:
    train: {path: all.json, exclude_ids: test.json}
    test: {path: all.json, ids: test.json}
    validation: {path: all.json, ids: dev.txt}
""",
        all__json=(
            '{"11": {"q": "a", "inside": {"texts": ["b", "c"]}, "l": "yes"}, "12": {"q": "d", "inside": '
            '{"texts": []}, "l": "no"}}'
        ),
        test__json='{"12": "no"}',
        dev__txt="11\n",
    )
    [task] = load_task_file(path)
    assert (
        rows(task, "train")
        == [{"id": "11", "text_a": "a", "text_b": "b c", "label": "yes"}]
        == rows(task, "validation")
    )
    assert [r["id"] for r in rows(task, "test")] == ["12"]


def test_a_language_column(write):
    path = write(
        """
t:
  kind: classification
  labels: [x, y]
  language_column: lang
  languages: [de, sw]
  files: {test: all.jsonl}
""",
        all__jsonl=(
            '{"text_a": "a", "label": "x", "lang": "de"}\n{"text_a": "b", "label": "y", "lang": "sw"}\n'
            '{"text_a": "c", "label": "y", "lang": "sw"}\n'
        ),
    )
    [task] = load_task_file(path)
    assert [r["text_a"] for r in rows(task, "test", "sw")] == ["b", "c"] and task.uses == ("target",)


@pytest.mark.parametrize(
    ("name", "code"),
    [("iw", "he"), ("pt-BR", "pt"), ("zh_Hans", "zh"), ("zho_Hans", "zh"), ("swh", "sw"), ("DE", "de")],
)
def test_a_file_under_another_name_of_its_language_is_not_passed_over(write, name, code):
    read = "kind: classification, labels: [x, y], columns: {text_a: 0, label: 1}"
    path = write(f't: {{{read}, files: {{test: "{{language}}.tsv"}}}}', en__tsv="a\tx\n", other__tsv="a\ty\n")
    assert load_task_file(path)[0].languages == ("en",)
    (path.parent / f"{name}.tsv").write_text("a\tx\n")
    assert f"{name}.tsv is of {name}, and the code of that is {code}" in says(path)
    (path.parent / f"{code}.tsv").write_text("a\tx\n")
    assert set(load_task_file(path)[0].languages) == {"en", code}


@pytest.mark.parametrize("name", ["DE", "deu", "de-AT", "de_Latn", "deu_Latn", "German", "de "])
def test_rows_that_call_their_language_otherwise_are_not_passed_over(write, name):
    read = "kind: classification, labels: [x, y], language_column: lang, languages: [de]"
    rows_of = [
        {"text_a": text, "label": "x", "lang": code}
        for text, code in zip("abc", ("de", "fr", name), strict=True)
    ]
    path = write(f"t: {{{read}, files: {{test: a.jsonl}}}}", a__jsonl="\n".join(map(json.dumps, rows_of)))
    with pytest.raises(XferError, match=f"a.jsonl:3: is of '{name}', and what stands for that language is"):
        check_task_file(path)


def test_languages_that_are_scored_on_the_same_rows_are_refused(write):
    entry = "kind: classification, labels: [x, y], files: {test: {de: a.tsv, fr: ./a.tsv, sw: b.tsv}}"
    text = says(write(f"t: {{{entry}}}"))
    assert "test: de, fr have the same rows, those of a.tsv." in text and "sw" not in text
    assert load_task_file(write(f"t: {{{entry}, language_column: lang}}"))
    assert load_task_file(write(f't: {{{entry}, where: {{id: "{{language}}*"}}}}'))
    assert load_task_file(write(f"t: {{{entry.replace('test', 'train')}, validation_fraction: 0.5}}"))
    qa = "kind: span_qa, format: tydiqa, files: {test: {en: dev.json, ar: dev.json}}"
    assert load_task_file(write(f"t: {{{qa}}}"))
    parts = "{de: {path: a.tsv, ids: de.txt}, fr: {path: a.tsv, ids: fr.txt}}"
    assert load_task_file(write(f"t: {{kind: classification, labels: [x, y], files: {{test: {parts}}}}}"))


def test_codes_say_what_stands_for_a_language_in_names(write):
    entry = 'kind: classification, labels: [x, y], files: {test: "data/test-{language}.tsv"}'
    path = write(f"t: {{{entry}}}")
    (path.parent / "data").mkdir()
    for name, text in {"arb_Arab": "a", "de": "b", "xx-Hausa": "c"}.items():
        (path.parent / "data" / f"test-{name}.tsv").write_text(f"text_a\tlabel\n{text}\tx\n")
    [hint] = [line for line in says(path).splitlines() if "codes:" in line]
    assert "codes: {ar: arb_Arab}" in hint
    [task] = load_task_file(write(f"t: {{{entry}, codes: {{ar: arb_Arab, ha: xx-Hausa}}}}"))
    assert set(task.languages) == {"ar", "de", "ha"}
    assert [rows(task, "test", code)[0]["text_a"] for code in ("ar", "de", "ha")] == ["a", "b", "c"]
    assert "xx stands for several languages" in says(write(f"t: {{{entry}, codes: {{ar: xx, ha: xx}}}}"))


def test_codes_say_what_stands_for_a_language_in_its_column(write):
    entry = "kind: classification, labels: [x, y], language_column: lang, languages: [de, sw]"
    lines = [
        {"text_a": text, "label": "x", "lang": lang}
        for text, lang in (("a", "German"), ("b", "sw"), ("c", "fr"), ("d", "German"))
    ]
    lines = "\n".join(map(json.dumps, lines))
    path = write(f"t: {{{entry}, codes: {{de: German}}, files: {{test: a.jsonl}}}}", a__jsonl=lines)
    [task] = load_task_file(path)
    assert [row["text_a"] for row in rows(task, "test", "de")] == ["a", "d"]
    assert [row["text_a"] for row in rows(task, "test", "sw")] == ["b"]
    (path.parent / "a.jsonl").write_text(lines + '\n{"text_a": "e", "label": "x", "lang": "de"}')
    with pytest.raises(XferError, match=r"a.jsonl:5: is of 'de', and what stands .* is 'German': write that"):
        check_task_file(path)


def test_codes_that_nothing_reads_are_refused(write):
    entry = "kind: classification, labels: [x, y], codes: {de: German}, files: {test: a.tsv}"
    assert "nothing says a language" in says(write(f"t: {{{entry}}}"))


def test_a_name_that_no_file_has_is_refused(write):
    path = write('t: {kind: classification, labels: [x, y], files: {train: a.tsv, test: "{language}.tsv"}}')
    text = says(path)
    assert "no file is named" in text and "{language}.tsv with the code of a language." in text
    (path.parent / "old.tsv").write_text("a\tx\n")
    assert "with the code of a language, as 'old' is none." in says(path)


def test_a_language_that_lacks_one_of_its_files_is_named(write):
    files = '["t.{language}-en.{language}", "t.{language}-en.en"]'
    path = write(f"t: {{kind: retrieval, files: {{test: {files}}}}}")
    for name in ("de-en.de", "de-en.en", "fr-en.fr"):
        (path.parent / f"t.{name}").write_text("a\n")
    text = says(path)
    assert "t.fr-en.fr is there, but not" in text and "t.fr-en.en." in text and "t.de" not in text
    path.write_text(path.read_text().replace("kind: retrieval", "kind: retrieval, languages: [de]"))
    assert load_task_file(path)[0].languages == ("de",)


def test_a_folder_whose_name_holds_a_nul_is_not_there(write):
    read = "kind: classification, labels: [x, y], columns: {text_a: 0, label: 1}"
    text = says(write(f't: {{{read}, files: {{train: a.tsv, test: "\\0/{{language}}.tsv"}}}}'))
    assert "no file is named" in text


def test_the_check_says_which_files_are_missing(write):
    read = "kind: classification, labels: [x, y], columns: {text_a: 0, label: 1}, languages: [en, sw]"
    path = write(f't: {{{read}, files: {{test: "{{language}}.tsv"}}}}', en__tsv="a\tx\nb\ty\n")
    assert list(map(str, check_task_file(path))) == [
        "t  test  en  2 rows  x 1, y 1",
        "t  test  sw  there is no file",
    ]


def test_multiple_choice_span_qa_and_retrieval(write):
    path = write(
        """
mc:
  kind: multiple_choice
  labels: [A, B]
  columns: {question: q, choices: options.text, label: key}
  files: {train: mc.jsonl}
mc-numbers:
  kind: multiple_choice
  columns: {choices: [one, two], label: key}
  files: {train: mc.csv}
spans:
  kind: span_qa
  files: {train: qa.json}
pairs:
  kind: retrieval
  trained: false
  files: {test: {sw: [pairs.sw, pairs.en]}}
""",
        mc__jsonl='{"q": "why", "options": {"text": ["a", "b"]}, "key": "B"}\n',
        mc__csv="one,two,key\na,b,0\n",
        qa__json=(
            '{"data": [{"paragraphs": [{"context": "in 1920", "qas": [{"id": "q", "question": "when", '
            '"answers": [{"text": "1920", "answer_start": 3}]}]}]}]}'
        ),
        pairs__sw="moja\n",
        pairs__en="one\n",
    )
    mc, numbers, qa, pairs = load_task_file(path)
    assert rows(mc, "train") == [
        {"id": "0", "context": "", "question": "why", "choices": ["a", "b"], "label": 1}
    ]
    assert rows(numbers, "train")[0]["label"] == 0
    assert qa.metric == "squad" and rows(qa, "train")[0]["answers"]["text"] == ["1920"]
    assert (
        pairs.metric == "retrieval_accuracy"
        and not pairs.trained
        and rows(pairs, "test", "sw")[0]["source"] == "moja"
    )


def test_releases_with_nested_choices_and_truth_values(write):
    """CommonsenseQA's and BoolQ's own files."""
    csqa, boolq = load_task_file(
        write(
            """
csqa-files:
  kind: multiple_choice
  columns: {question: question.stem, choices: question.choices.text, label: answerKey}
  labels: [A, B, C]
  files: {train: csqa.jsonl}
boolq-files:
  kind: classification
  columns: {text_a: passage, text_b: question, label: answer}
  labels: {"false": "no", "true": "yes"}
  files: {train: boolq.jsonl}
""",
            csqa__jsonl=(
                '{"answerKey": "B", "id": "x", "question": {"stem": "Where?", "choices": [{"label": "A", '
                '"text": "here"}, {"label": "B", "text": "there"}, {"label": "C", "text": "far"}]}}\n'
            ),
            boolq__jsonl=(
                '{"question": "is it", "passage": "It is.", "answer": true}\n{"question": "is it not", '
                '"passage": "It is.", "answer": false}\n'
            ),
        )
    )
    assert rows(csqa, "train") == [
        {"id": "x", "context": "", "question": "Where?", "choices": ["here", "there", "far"], "label": 1}
    ]
    assert [row["label"] for row in rows(boolq, "train")] == ["yes", "no"]


def test_dependency_labels_from_conllu(write):
    path = write(
        "t:\n  kind: tagging\n  labels: labels.txt\n  columns: {tags: deprel-direction}\n  files: {train: "
        "a.conllu}",
        labels__txt="nsubj>\nroot\nobj<\n",
        a__conllu=(
            "# text = x\n1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_\n1\tshe\t_\tPRON\t_\t_\t2\tnsubj:pass\t_\t_\n"
            "2\tsees\t_\tVERB\t_\t_\t0\troot\t_\t_\n2.1\tgap\t_\t_\t_\t_\t_\t_\t_\t_\n"
            "3\tit\t_\tPRON\t_\t_\t2\tobj\t_\t_\n\n"
        ),
    )
    assert rows(load_task_file(path)[0], "train") == [
        {"id": "0", "words": ["she", "sees", "it"], "tags": ["nsubj>", "root", "obj<"]}
    ]


def test_an_entry_may_extend_the_catalogue(write):
    path = write(
        """
my-mnli: {extends: mnli, hub: {revision: abc}}
my-xnli:
  extends: xnli
  files: {test: {sw: a.tsv}}
  columns: {text_a: 0, text_b: 1, label: 2}
""",
        a__tsv="a\tb\tneutral\n",
    )
    mnli, xnli = load_task_file(path)
    assert (
        mnli.sources["hub"][0].revision == "abc"
        and mnli.sources["hub"][0].path == TASKS.get("mnli").sources["hub"][0].path
    )
    assert mnli.labels == TASKS.get("mnli").labels and mnli.languages == ("en",)
    assert (
        xnli.languages == ("sw",)
        and xnli.recipe == TASKS.get("xnli").recipe
        and rows(xnli, "test", "sw")[0]["label"] == "neutral"
    )


def test_a_data_set_of_the_hub(write):
    path = write(
        "t:\n  kind: classification\n  labels: [x, y]\n  languages: [de, sw]\n  hub: {path: org/name, "
        "config: 'c.{language}', columns: {text_a: s}}"
    )
    [task] = load_task_file(path)
    rows = sources.locate(task, "test", "sw", "hub")
    assert rows.identity == "unresolved:hub:org/name@main:c.sw:test" and task.sources["hub"][0].labels == (
        "x",
        "y",
    )


def test_paths_may_leave_the_folder_and_are_relative_to_the_yaml_file(write, tmp_path, monkeypatch):
    path = write(
        "t:\n  kind: classification\n  labels: [x, y]\n  columns: {text_a: 0, label: 1}\n  files: {train: "
        "../a.tsv}"
    )
    (tmp_path / "below").mkdir()
    path = path.rename(tmp_path / "below" / "tasks.yaml")
    (tmp_path / "a.tsv").write_text("a\tx\n")
    monkeypatch.chdir("/")
    assert len(rows(load_task_file(path)[0], "train")) == 1


# -- mistakes ------------------------------------------------------------------------------------------------
def says(path) -> str:
    with pytest.raises(XferError) as error:
        check_task_file(path)
    assert error.value.exit_code == 2
    return str(error.value)


def test_all_problems_are_reported_at_once_with_lines_and_suggestions(write):
    text = says(
        write(
            """
Sick: {kind: classification}
xnli: {kind: classification}
one:
  kind: clasification
  colums: {text_a: a}
  labels: [yes, no]
  language: no
  files: {trian: a.tsv, test: {no: b.tsv, dee: c.tsv}}
two:
  kind: classification
  labels: [a, b]
  files: {train: nowhere.csv}
  hub: {pth: x}
  recipe: {learning_rate: -1}
"""
        )
    )
    for line, part in [
        (2, "'Sick' is no name"),
        (3, "'xnli' exists already"),
        (5, "Unknown kind 'clasification'.\n  Did you mean 'classification'"),
        (6, "Unknown field 'colums'.\n  Did you mean 'columns'"),
        (7, "put it in quotes"),
        (8, "Norwegian must be quoted"),
        (9, "unknown split 'trian'"),
        (9, "Unknown language 'dee'"),
        (14, "Unknown field 'pth'.\n  Did you mean 'path'"),
        (15, "greater than 0"),
    ]:
        assert part in text and f"tasks.yaml:{line}: " in text, (line, part, text)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("t: 3", "is not a mapping"),
        ("t: {labels: [a, b], files: {train: a.tsv}}", "has no kind"),
        ("t: {kind: tagging, labels: [a, b]}", "has no data"),
        ("t: {kind: classification, files: {train: a.csv}}", "has no labels"),
        ("t: {kind: classification, labels: [a], files: {train: a.csv}}", "at least two labels"),
        ("t: {kind: classification, labels: [a, a, b], files: {train: a.csv}}", "names a label twice"),
        ("t: {kind: classification, labels: [a, b], files: {train: a.txt}}", "format is not clear"),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.tsv}, header: false}",
            "columns by position",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, columns: {text: x}}",
            "Unknown column of a classification task 'text'",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, metric: entity_f1}",
            "does not score classification",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, uses: [targt]}",
            "Did you mean 'target'",
        ),
        ("t: {kind: classification, labels: [a, b], files: {dev: a.csv}}", "'dev' is called validation"),
        (
            "t: {kind: classification, labels: [a, b], files: {train: {path: a.csv, idz: b}}}",
            "Did you mean 'ids'",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {test: a.csv}, validation_fraction: 0.1}",
            "there is no train split",
        ),
        (
            (
                "t: {kind: classification, labels: [a, b], files: {train: a.csv, validation: b.csv}, "
                "validation_fraction: 0.1}"
            ),
            "beside a validation split",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, validation_fraction: 1.5}",
            "less than 1",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, overlaps: [xnly]}",
            "overlaps: Unknown task 'xnly'.\n  Did you mean 'xnli'",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, dev_of: T}",
            "dev_of: Unknown task 'T'.\n  Did you mean 't'",
        ),
        ("t: {extends: mnly}", "Did you mean 'mnli'"),
        ("t: {extends: xnli, hub: {revision: abc}}", "has no path"),
        ("t: {kind: classification, labels: {yes: a, b: b}, files: {train: a.csv}}", "put it in quotes"),
        (
            "t: {kind: classification, labels: nowhere.txt, files: {train: a.csv}}",
            "file of labels cannot be read",
        ),
        ("t: {kind: classification, labels: [a, b], files: {train: a.csv}, language: german}", "'de'"),
        (
            "t: {kind: classification, kind: tagging, labels: [a, b], files: {train: a.csv}}",
            "stands here a second time",
        ),
        ("t: {}\nt: {}", "stands here a second time"),
        ("t: {kind: classification, labels: [a, b], files: {train: nowhere.csv}}", "no such file"),
        ("t: [", "is not YAML"),
        ("t: {kind: classification, labels: {a: x, b: x}, files: {train: a.csv}}", "at least two labels"),
        (
            "t: {kind: classification, labels: [a, b], languages: [sw], files: {test: a.csv}}",
            "no file is in sw",
        ),
        (
            "t: {kind: classification, labels: [a, b], language_column: lang, files: {test: a.csv}}",
            "which of the languages in lang to read is not said",
        ),
        (
            "t: {kind: span_qa, metric: mlqa, files: {test: {de: a.json, ja: b.json}}}",
            "metric 'mlqa' is not defined for ja, but for ar, de",
        ),
        ("t: {extends: mlqa, files: {test: {ja: b.json}}}", "metric 'mlqa' is not defined for ja"),
        ("../t: {kind: tagging}", "is no name for a task"),
        ("t: {kind: !!python/object/apply:os.system [ls]}", "is not YAML"),
    ],
)
def test_each_mistake_has_its_words(write, body, part):
    text = says(write(body))
    assert part in text and "tasks.yaml:" in text or "no such file" in text


def test_faults_of_files_come_with_their_lines(write, tmp_path):
    text = says(
        write(
            "t: {kind: classification, labels: [x, y], columns: {text_a: 0, label: 1}, files: {train: "
            "a.tsv, test: {de: b.tsv, sw: c.tsv}}}",
            a__tsv="a\tx\nb\tz\n",
            b__tsv="a\tx\n" * 20,
            c__tsv="a\n",
        )
    )
    assert "3 problems" in text and f"{tmp_path / 'a.tsv'}:2: has label 'z', which is not among x, y" in text
    assert "all 20 rows have the label 'x'" in text and "no row has a label" in text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "tasks:\n",
        "[]",
        "x: 1\n",
        "tasks: 3\n",
        "\0",
        "&a [*a]",
        "tasks: {a: \ud83d}".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_files_that_are_no_task_files(tmp_path, content):
    path = tmp_path / "tasks.yaml"
    path.write_text(content, encoding="utf-8")
    assert "tasks.yaml" in says(path)


def test_a_missing_task_file(tmp_path):
    assert "cannot be read" in says(tmp_path / "nowhere.yaml")


def test_every_field_is_described():
    assert {name for name, text in fields() if not text} == {"description", "licence", "citation"}


LINES = [
    "tasks:",
    "  t:",
    "    kind: classification",
    "    labels: [a, b]",
    "    files: {train: a.tsv}",
    "    columns: {text_a: 0, label: 1}",
    "    validation_fraction: 0.1",
    "    hub: {path: a/b}",
    "    extends: mnli",
    "    language: de",
    "    recipe: {learning_rate: 1}",
]


@settings(max_examples=200 * MANY, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=80),
        st.lists(st.sampled_from(LINES), max_size=9).map(
            lambda lines: "\n".join(["tasks:", "  t:", *lines]).encode()
        ),
        st.tuples(st.sampled_from(LINES[2:]), st.text(alphabet="ab:{}[]&*!\"' \n0.-~@", max_size=12)).map(
            lambda pair: f"tasks:\n  t:\n    {pair[0].strip().split(':')[0]}: {pair[1]}\n".encode()
        ),
    )
)
def test_any_file_gives_tasks_or_faults(tmp_path, content):
    path = tmp_path / "tasks.yaml"
    path.write_bytes(content)
    try:
        assert all(isinstance(task, Task) for task in load_task_file(path))
    except XferError as error:
        assert "tasks.yaml" in str(error)


def test_nested_aliases_do_not_explode(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(
        "a: &a [x, x]\n"
        + "".join(
            f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
            for a, b in zip("abcdefghi", "bcdefghij", strict=True)
        )
        + "tasks: {t: {kind: classification, labels: *j, files: *j}}\n"
    )
    assert "stand for more than 200,000 values" in says(path)
    path.write_text(
        path.read_text()
        .replace("tasks: {t: {kind", "tasks: {t: {labels: &z [[[[*j]]]], kind")
        .replace("a: &a", "tasks: {}\na: &a", 1)
    )
    assert "tasks.yaml" in says(path)

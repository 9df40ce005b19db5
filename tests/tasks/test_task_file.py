"""Tasks declared in YAML files: what they say, and how they read."""

from __future__ import annotations

from pathlib import Path

from task_files import rows, says

from mlflow_xfer.data import sources
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task_file import load_task_file

EXAMPLE = Path(__file__).parents[1] / "data" / "files" / "tasks.yaml"


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

"""Predictions for a user's own examples, from directories with heads of every kind;
``end_to_end`` has those from runs.
"""

from __future__ import annotations

import json

import pytest
from datasets import Dataset

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.checkpoint import heads_of, save
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.limits import longest
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.models.load import save as save_base
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases.prediction import checkpoint_of, predict_file
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.predict import predict

TEXTS = [
    "Tomas saves the soup",
    "der Hund schläft im Garten",
    "köpek bahçede uyuyor",
    "một con ngựa cứu món canh",
]
ROWS = {
    "classification": [{"text_a": text, "text_b": None} for text in TEXTS],
    "tagging": [{"words": text.split()} for text in TEXTS],
    "multiple_choice": [
        {"context": text, "question": "what?", "choices": [*TEXTS[:2], "nothing"]} for text in TEXTS
    ],
    "span_qa": [{"context": text, "question": "who?"} for text in TEXTS],
}
LABELS = {"classification": ("no", "yes", "so"), "tagging": ("X", "Y", "Z")}


def declared(kind: str) -> Task:
    return Task(
        name=f"my-{kind}", kind=kind, metric="accuracy", languages=(), sources={}, labels=LABELS.get(kind, ())
    )


def never():
    raise AssertionError("a directory needs no tracking store")


@pytest.fixture(scope="module", params=["xlm-roberta", "llama"])
def base(request, tmp_path_factory):
    tokenizer = train_tokenizer(TEXTS * 3, 200, request.param)
    return save_base(
        build_scratch(request.param, "tiny", tokenizer, 0), tokenizer, tmp_path_factory.mktemp(request.param)
    )


def with_heads(base, folder, *kinds):
    save(build(base, [declared(kind) for kind in kinds], False, 1), load_tokenizer(base), folder)
    return folder


def own(folder, rows):
    path = folder / "own.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ROWS)
def test_a_single_head_says_what_an_evaluation_would(kind, base, tmp_path):
    model = with_heads(base, tmp_path / "model", kind)
    (head,) = heads_of(model).values()
    assert head.kind == kind and head.labels == LABELS.get(kind, ())
    found = predict_file(str(model), own(tmp_path, ROWS[kind]), None, never)
    split = Dataset.from_list([{"id": str(i)} | row for i, row in enumerate(ROWS[kind])])
    expected = predict(model, declared(kind), {"x": split})["x"]
    if kind == "multiple_choice":
        expected = [row["choices"][answer] for row, answer in zip(ROWS[kind], expected, strict=True)]
    assert [row["prediction"] for row in found] == expected
    assert [row["id"] for row in found] == ["1", "2", "3", "4"] and len(found) == len(TEXTS)


def test_a_users_columns_stay_as_they_are(base, tmp_path):
    model = with_heads(base, tmp_path / "model", "classification")
    rows = [{"id": f"a{i}", "text": text, "note": None, "of": {"x": 1}} for i, text in enumerate(TEXTS)]
    found = predict_file(str(model), own(tmp_path, rows), None, never)
    assert [{name: row[name] for name in row if name != "prediction"} for row in found] == rows
    table = tmp_path / "own.tsv"
    table.write_text("note\tid\ttext_a\n" + "".join(f"n\tb{i}\t{text}\n" for i, text in enumerate(TEXTS)))
    found = predict_file(str(model), table, None, never)
    assert [row["id"] for row in found] == ["b0", "b1", "b2", "b3"]
    assert list(found[0]) == ["note", "id", "text_a", "prediction"]
    with pytest.raises(XferError, match="has a column 'prediction'"):
        predict_file(str(model), own(tmp_path, [{"text": "x", "prediction": "y"}]), None, never)


def test_a_head_without_a_name_is_told_of(base, tmp_path, monkeypatch):
    model = with_heads(base, tmp_path / "model", "classification")
    unnamed = {"": declared("classification")}
    monkeypatch.setattr("mlflow_xfer.phases.prediction.heads_of", lambda folder: unnamed)
    with pytest.raises(
        XferError, match="(?s)one head, which bears no task's name: none for 'cc'.*Leave task"
    ):
        predict_file(str(model), own(tmp_path, ROWS["classification"]), "cc", never)


def test_of_several_heads_one_is_named(base, tmp_path):
    model = with_heads(base, tmp_path / "model", "tagging", "classification")
    path = own(tmp_path, ROWS["tagging"])
    with pytest.raises(XferError, match="heads for my-classification, my-tagging"):
        predict_file(str(model), path, None, never)
    with pytest.raises(XferError, match="none for 'pos'"):
        predict_file(str(model), path, "pos", never)
    found = predict_file(str(model), path, "my-tagging", never)
    assert all(
        len(row["prediction"]) == len(row["words"]) and set(row["prediction"]) <= set("XYZ") for row in found
    )


def test_a_dual_encoder_finds_the_nearest_text_too(base, tmp_path):
    model = with_heads(base, tmp_path / "model", "retrieval")
    path = own(tmp_path, [{"text": text} for text in [*TEXTS, TEXTS[1]]])
    found = predict_file(str(model), path, None, never)
    assert [found[i]["prediction"] for i in (1, 4)] == [TEXTS[1]] * 2 and found[1]["cosine"] == pytest.approx(
        1, abs=1e-3
    )


def test_without_a_head_the_nearest_text_is_found(base, tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\n".join([TEXTS[0], TEXTS[2], f"{TEXTS[0]} ", TEXTS[3]]) + "\n", encoding="utf-8")
    found = predict_file(str(base), path, None, never)
    assert found[0]["prediction"].strip() == TEXTS[0] == found[2]["prediction"] and found[0]["cosine"] > 0.99
    assert all(row["prediction"] != row["text"] for row in found)
    path.write_text("alone\n", encoding="utf-8")
    with pytest.raises(XferError, match="no neighbour"):
        predict_file(str(base), path, None, never)
    with pytest.raises(XferError, match="no head for task 'pos'"):
        predict_file(str(base), path, "pos", never)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("mini", "no result"),
        ("scratch:llama:tiny", "no result"),
        ("./nothing", "no such directory"),
        ("", "names nothing"),
    ],
)
def test_what_is_no_model_is_refused(model, said, tmp_path):
    with pytest.raises(XferError, match=said):
        predict_file(model, tmp_path / "own.txt", None, never)


def words(n: int) -> dict:
    return {"text_a": " ".join(["Tomas saves the soup"] * (n // 4))}


def said_of_lengths(caplog) -> list[str]:
    found = [one.getMessage() for one in caplog.records if "texts were cut" in one.getMessage()]
    caplog.clear()
    return found


def tokenizer_says(model, length) -> None:
    file = model / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": length}))


def test_a_model_of_others_reads_what_it_and_its_tokenizer_take(base, tmp_path, caplog):
    model = with_heads(base, tmp_path / "model", "classification")
    tokenizer_says(model, 1e30)
    path = own(tmp_path, [words(8), words(160), words(4000)])
    most = longest(json.loads((model / "config.json").read_text())) or 512

    def read(asked=None) -> tuple[int, list[str]]:
        predict_file(str(model), path, None, never, asked)
        return checkpoint_of(str(model), None, never).max_seq_length, said_of_lengths(caplog)

    assert most > 128
    length, said = read()
    assert length == min(512, most)
    assert said == [
        f"{1 if length >= 160 * 2 else 2} of 3 texts were cut at {length} tokens (max_seq_length)."
    ]
    assert read(20)[1] == ["2 of 3 texts were cut at 20 tokens (max_seq_length)."]
    tokenizer_says(model, 16)
    assert read() == (16, ["2 of 3 texts were cut at 16 tokens (max_seq_length)."])
    (model / "mlflow_xfer.json").write_text('{"max_seq_length": 12}')
    assert read()[0] == 12
    own(tmp_path, [words(4)])
    assert read()[1] == []


@pytest.mark.parametrize(("asked", "said"), [(4, "leaves no room for a text"), (99999, "reads at most")])
def test_a_length_that_cannot_be_read_is_refused(base, tmp_path, asked, said):
    model = with_heads(base, tmp_path / "model", "classification")
    with pytest.raises(XferError, match=said):
        predict_file(str(model), own(tmp_path, [words(8)]), None, never, asked)


def test_texts_that_are_read_in_several_rows_are_not_cut(base, tmp_path, caplog):
    model = with_heads(base, tmp_path / "model", "tagging")
    found = predict_file(str(model), own(tmp_path, [{"words": ["soup"] * 90}]), None, never, 16)
    assert len(found[0]["prediction"]) == 90 and not said_of_lengths(caplog)


def test_texts_that_are_compared_are_cut_too(base, tmp_path, caplog):
    path = own(tmp_path, [{"text": words(n)["text_a"]} for n in (4, 8, 90)])
    predict_file(str(base), path, None, never, 40)
    assert said_of_lengths(caplog) == ["1 of 3 texts were cut at 40 tokens (max_seq_length)."]

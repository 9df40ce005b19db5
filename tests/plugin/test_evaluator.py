"""The model evaluator with a real SQLite store: static predictions, a function, and a logged checkpoint."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pandas as pd
import pytest

mlflow = pytest.importorskip("mlflow")

from mlflow_xfer.errors import XferError  # noqa: E402
from mlflow_xfer.plugin.evaluator import XtremeEvaluator  # noqa: E402
from mlflow_xfer.scoring.score import score  # noqa: E402

TAGS = [["NOUN", "VERB"], ["SCONJ", "NOUN"], ["VERB"], ["NOUN", "NOUN", "VERB"]]
GUESS = [["NOUN", "VERB"], ["CCONJ", "NOUN"], ["NOUN"], ["NOUN", "NOUN", "VERB"]]


pytestmark = pytest.mark.usefixtures("evaluations")


def tagged() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "task": "udpos",
            "lang": ["de", "de", "en", "en"],
            "words": [["x"] * len(t) for t in TAGS],
            "tags": TAGS,
            "mine": GUESS,
        }
    )


def evaluate(data, model=None, targets="tags", **kwargs):
    return mlflow.models.evaluate(
        model, data, targets=targets, model_type="xtreme", evaluators="xtreme", **kwargs
    )


def test_entry_point_is_declared_and_loads(project):
    declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    module, name = declared["mlflow.model_evaluator"]["xtreme"].split(":")
    assert getattr(__import__(module, fromlist=[name]), name) is XtremeEvaluator


def test_import_is_light():
    code = (
        "import sys, mlflow_xfer.plugin.evaluator; assert not {'torch', 'transformers', 'datasets'} & "
        "set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_predictions_column(evaluations):
    with mlflow.start_run() as run:
        result = evaluate(tagged(), predictions="mine")
    expected = {
        lang: score("tag_f1", GUESS[i : i + 2], TAGS[i : i + 2], lang) for lang, i in (("de", 0), ("en", 2))
    }
    assert result.metrics["eval/udpos/de"] == expected["de"].value
    assert result.metrics["eval/udpos/en"] == expected["en"].value
    assert result.metrics["selected/avg"] == pytest.approx((expected["de"].value + expected["en"].value) / 2)
    logged = evaluations.get_run(run.info.run_id)
    assert logged.data.metrics == pytest.approx(dict(result.metrics))
    table = mlflow.load_table("results/per_language.json", run_ids=[run.info.run_id])
    assert list(table["language"]) == ["de", "en"] and list(table["n"]) == [2, 2]
    assert table["low"][0] == expected["de"].low and table["high"][0] == expected["de"].high
    assert table["component_accuracy"][0] == expected["de"].components["accuracy"] and "majority" in table
    assert json.dumps(result.artifacts["per_language"].content)


def test_function_and_blank_separated_tags():
    data = tagged().drop(columns="mine")
    data["tags"] = data["tags"].map(" ".join)
    result = evaluate(data, lambda frame: [" ".join(["NOUN"] * len(words)) for words in frame["words"]])
    constant = [["NOUN"] * len(tags) for tags in TAGS]
    assert result.metrics["eval/udpos/de"] == score("tag_f1", constant[:2], TAGS[:2], "de").value


def test_several_tasks_and_kinds_in_one_frame():
    rows = [
        ("xnli", "de", "neutral", "neutral"),
        ("xnli", "de", "entailment", "neutral"),
        ("own", "de", "a", "a"),
    ]
    data = pd.DataFrame(rows, columns=["task", "lang", "gold", "mine"])
    result = evaluate(data, targets="gold", predictions="mine", evaluator_config={"metric": "accuracy"})
    assert result.metrics == {"eval/xnli/de": 50.0, "eval/own/de": 100.0, "selected/avg": 75.0}


def test_answers_and_unanswered_questions():
    data = pd.DataFrame(
        {
            "lang": ["en"] * 3,
            "answers": [["the cat"], ["dog", "hound"], ["cow"]],
            "mine": ["cat", "Hound!", None],
        }
    )
    config = {"task": "own", "metric": "squad"}
    result = evaluate(data, targets="answers", predictions="mine", evaluator_config=config)
    assert result.metrics["eval/own/en"] == pytest.approx(200 / 3)


def test_suite_totals_only_when_complete():
    data = tagged()
    for config in ({"suite": "mini"}, {}):
        assert "mini/avg" not in evaluate(data, predictions="mine", evaluator_config=config).metrics
    from mlflow_xfer.scoring.suite import languages_of
    from mlflow_xfer.tasks.catalogue import SUITES, TASKS

    suite, rows = SUITES.get("mini"), []
    for name in suite.tasks:
        gold = {"tagging": "NOUN", "classification": TASKS.get(name).labels[:1]}.get(TASKS.get(name).kind, 0)
        gold = {"span_qa": "x"}.get(TASKS.get(name).kind, gold if not isinstance(gold, tuple) else gold[0])
        rows += [(name, language, gold) for language in languages_of(suite, name)]
    data = pd.DataFrame(rows, columns=["task", "lang", "gold"])
    data["mine"] = data["gold"]
    metrics = evaluate(data, targets="gold", predictions="mine", evaluator_config={"suite": "mini"}).metrics
    assert metrics["mini/avg"] == metrics["selected/avg"] == 100
    assert all(metrics[f"mini/{name}"] == 100 for name in suite.tasks)


@pytest.mark.parametrize(
    "change, config, message",
    [
        (lambda d: d.drop(columns="task"), {}, "no column 'task'"),
        (lambda d: d.drop(columns="lang"), {}, "no column 'lang'"),
        (lambda d: d[["mine", "tags"]], {}, "'task': beside targets and predictions the data have no column"),
        (lambda d: pd.DataFrame({"tags": [], "mine": []}), {"task": "udpos"}, "The data have no rows"),
        (lambda d: d.assign(task="mewslix", lang="pool"), {}, "nothing to score: all rows are candidates"),
        (lambda d: d.assign(task="udpoz"), {}, "Did you mean 'udpos'"),
        (lambda d: d, {"taks": "udpos"}, "Did you mean 'task'"),
        (lambda d: d, {"metric": "tag_f2"}, "tag_f1"),
        (lambda d: d.assign(mine=None), {}, "rows without a prediction"),
        (lambda d: d.assign(mine=[["NOUN"]] * 4), {}, "sentence 1 has 1 predicted tags for 2 words"),
    ],
)
def test_bad_input_is_said_clearly(change, config, message):
    with pytest.raises(XferError, match=message):
        evaluate(change(tagged()), predictions="mine", evaluator_config=config)


ALIEN = {
    "names of outputs": ("xnli", ["entailment", "neutral"], ["LABEL_0", "LABEL_2"]),
    "numbers of labels": ("xnli", ["entailment", "neutral"], [0, 1]),
    "in capitals": ("xnli", ["entailment", "neutral"], ["ENTAILMENT", "NEUTRAL"]),
    "tags of another task": ("panx", [["O", "B-PER"], ["O"]], [["NOUN", "PROPN"], ["VERB"]]),
    "texts of choices": ("xcopa", [0, 1], ["it was late", "it was cold"]),
    "true and false": ("xcopa", [0, 1], [False, True]),
}


@pytest.mark.parametrize("case", ALIEN)
def test_predictions_none_of_which_could_be_right_are_refused(case):
    """A score of 0 would say that the model knows nothing."""
    task, gold, mine = ALIEN[case]
    data = pd.DataFrame({"task": task, "lang": "de", "gold": pd.Series(gold, dtype=object)})
    data["mine"] = pd.Series(mine, dtype=object)
    with pytest.raises(XferError, match=f"{task} de: none of the 2 predictions is an answer, such as"):
        evaluate(data, targets="gold", predictions="mine")


@pytest.mark.parametrize(
    ("task", "gold", "mine", "right"),
    [
        ("xnli", ["entailment", "neutral"], ["neutral", "LABEL_0"], 0),
        ("xcopa", [0, 1], [1, 0], 0),
        ("xcopa", [0.0, 1.0], ["0", 1], 100),
        ("xcopa", ["0.0", "1"], ["0", "1.0"], 100),
        ("pawsx", ["0.0", "1"], [0, "1.0"], 100),
        ("tatoeba", ["0", 1], [0.0, "1.0"], 100),
        ("panx", [["O", "B-PER"], ["O"]], [["B-LOC", "O"], ["B-LOC"]], 0),
    ],
)
def test_answers_that_are_wrong_are_scored(task, gold, mine, right):
    data = pd.DataFrame({"task": task, "lang": "de", "gold": pd.Series(gold, dtype=object)})
    data["mine"] = pd.Series(mine, dtype=object)
    assert evaluate(data, targets="gold", predictions="mine").metrics[f"eval/{task}/de"] == right


def test_other_model_types_are_left_to_others():
    assert not XtremeEvaluator.can_evaluate(model_type="classifier", evaluator_config={})
    assert XtremeEvaluator.can_evaluate(model_type="xtreme", evaluator_config=None)


def test_bad_model_output_is_said_clearly():
    data = tagged().drop(columns="mine")
    with pytest.raises(XferError, match="1 predictions for 4 rows"):
        evaluate(data, lambda frame: ["NOUN"])
    with pytest.raises(XferError, match="returned the columns a, b"):
        evaluate(data, lambda frame: pd.DataFrame({"a": [1] * 4, "b": [2] * 4}))
    result = evaluate(data, lambda frame: pd.DataFrame({"a": GUESS, "b": [2] * 4}), predictions="a")
    assert result.metrics["eval/udpos/de"] == score("tag_f1", GUESS[:2], TAGS[:2], "de").value


@pytest.mark.parametrize(
    ("name", "code"), [("DE", "de"), ("de-DE", "de"), ("German", "de"), ("iw", "he"), ("de ", "de")]
)
def test_other_names_of_a_language_are_refused(name, code):
    data = tagged().assign(lang=["de", name, "en", "en"])
    with pytest.raises(XferError, match=f"'{name}' is called '{code}' here"):
        evaluate(data, predictions="mine")


@pytest.mark.parametrize("said", ["1.5", "contradictory"])
def test_predictions_that_are_no_labels_are_told(said, caplog):
    data = pd.DataFrame({"task": "pawsx", "lang": "de", "gold": ["0", "1"] * 2, "mine": ["0", said] * 2})
    with caplog.at_level("WARNING"):
        evaluate(data, targets="gold", predictions="mine")
    assert f"pawsx de: 2 predicted labels are none of the task's, such as {said!r}" in caplog.text

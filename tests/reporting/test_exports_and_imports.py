import csv
import json
import math

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.markdown import plain
from mlflow_xfer.reporting.charts import tint
from mlflow_xfer.reporting.drawing import ticks
from mlflow_xfer.reporting.exports import export, latex, latex_table, markdown_table, safe
from mlflow_xfer.reporting.hypertext import Raw, element, text
from mlflow_xfer.reporting.imported import read_scores
from mlflow_xfer.reporting.verdict import p_text, points
from mlflow_xfer.stats.frame import check
from tests.stats.score_tables import table


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_formulas_are_defused_and_numbers_are_not(value):
    assert safe(value) == "'" + value
    assert safe(-1.5) == -1.5 and safe("mnli-2") == "mnli-2"


def test_csv_round_trips_missing_and_text(tmp_path):
    frame = pd.DataFrame(
        {
            "name": ["=a", 'quote " and, comma', "line\nbreak", None],
            "score": [1.5, -2.25, np.nan, 4.0],
            "no": ["no", "na", "x", "y"],
        }
    )
    path = export(frame, tmp_path / "sub" / "x.csv")
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    assert (
        rows[1] == ["'=a", "1.5", "no"]
        and rows[3][0] == "line\nbreak"
        and rows[3][1] == "NA"
        and rows[4][0] == "NA"
        and rows[2][1] == "-2.25"
    )


def test_parquet_keeps_types(tmp_path):
    frame = table({"none": 0}, seeds=2)
    pd.testing.assert_frame_equal(
        pd.read_parquet(export(frame, tmp_path / "x.parquet")), frame, check_dtype=False
    )
    mixed = frame.assign(seed=[1, "imported"] * (len(frame) // 2))
    assert set(pd.read_parquet(export(mixed, tmp_path / "y.parquet"))["seed"]) == {"1", "imported"}
    with pytest.raises(XferError, match="cannot be written as .xlsx"):
        export(frame, tmp_path / "x.xlsx")


def test_latex_and_markdown_escape():
    assert latex(r"a_b & 50% {x} \y") == r"a\_b \& 50\% \{x\} \textbackslash{}y"
    assert plain("a|b *c* <i> `d`\nnext") == r"a\|b \*c\* &lt;i&gt; \`d\` next"
    frame = pd.DataFrame({"a_b": ["x&y"], "n": [-1.25]})
    assert r"a\_b & n \\" in latex_table(frame, "100%", "tab:x") and r"x\&y & $-$1.2 \\" in latex_table(
        frame, "100%", "tab:x"
    )
    assert markdown_table(frame).splitlines()[2] == "| x&amp;y | -1.2 |"
    nothing = pd.DataFrame({"n": [-0.04]})
    assert r"0.0 \\" in latex_table(nothing, "", "") and "$-$" not in latex_table(nothing, "", "")
    assert markdown_table(nothing).splitlines()[2] == "| 0.0 |"


def test_elements_escape_all_but_markup():
    assert element("p", "<b>", Raw("<i>x</i>"), title='"<') == '<p title="&quot;&lt;">&lt;b&gt;<i>x</i></p>'
    assert text(["a&b", None, 3]) == "a&amp;b3"
    assert element("div", class_="x", aria_label="y", tabindex=None) == '<div class="x" aria-label="y"></div>'


def test_numbers_for_reading():
    assert points(-1.26, True) == "−1.3" and points(-0.04, True) == "0.0" and points(float("nan")) == "–"
    assert (p_text(0.0004), p_text(0.05), p_text(1.0), p_text(float("nan"))) == ("< .001", ".050", "1", "–")
    assert ticks(-5, 5) == [-4, -2, 0, 2, 4] and ticks(3, 3) == [3]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(
        w * (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4)
        for w, c in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
    )


@pytest.mark.parametrize("value", [-9, -3, 0, 3, 9])
def test_cell_colours_leave_text_readable(value):
    contrast = (luminance(tint(value, 9)) + 0.05) / (luminance("#222222") + 0.05)
    assert contrast >= 7  # WCAG AAA


def test_papers_tables_in_both_shapes(tmp_path):
    wide = tmp_path / "paper.csv"
    wide.write_text(
        "condition,task,en,de,iw,avg\nXLM-R,xnli,88.7,82.2,,79.2\nMNLI,xnli,88.4,83.0,80.1,80.4\n",
        encoding="utf-8-sig",
    )
    found = read_scores(wide)
    assert (
        len(found) == 5
        and set(found["language"]) == {"en", "de", "he"}
        and (found["source"] == "paper.csv").all()
    )
    long = tmp_path / "long.csv"
    long.write_text("task,language,score\nxnli,no,0.5\nxnli,de,0.75\n")
    assert read_scores(long, "Ours")["score"].tolist() == [50, 75] and read_scores(long)[
        "condition"
    ].unique().tolist() == ["long"]
    check(found)


@pytest.mark.parametrize("name", ["avg", "Avg.", "average", "Average", "average_accuracy", "mean"])
def test_means_over_languages_are_no_language(tmp_path, name):
    table = tmp_path / "paper.csv"
    table.write_text(f"task,en,de,{name}\nxnli,80,70,75\n")
    assert list(read_scores(table)["language"]) == ["en", "de"]
    assert scored(tmp_path, {"xnli": {"en": 80, name: 75}}) == {("xnli", "en"): 80}


@pytest.mark.parametrize(
    "written",
    [
        "condition,task,en,de\nA,choice,50,60\n",
        "condition,task,en,de,\nA,choice,50,60,\n",
        "Condition;Task;en;de\n\nA;choice;50;60\n",
        "Task\tCondition\tLanguage\tScore\nchoice\tA\ten\t50\nchoice\tA\tde\t60\t\n",
    ],
)
def test_separators_and_empty_cells_at_the_ends_of_lines_change_nothing(tmp_path, written):
    (path := tmp_path / "x.csv").write_text(written)
    found = read_scores(path)
    assert found[["condition", "task", "language", "score"]].to_numpy().tolist() == [
        ["A", "choice", "en", 50.0],
        ["A", "choice", "de", 60.0],
    ]


def test_a_file_is_on_one_scale(tmp_path, caplog):
    path = tmp_path / "paper.csv"
    path.write_text("task,language,score\npos,de,0.885\npos,fr,1\nxnli,de,0.785\n")
    assert read_scores(path)["score"].tolist() == pytest.approx([88.5, 100, 78.5])
    assert "fractions (0-1)" in caplog.text
    assert read_scores(path, percent=True)["score"].tolist() == [0.885, 1, 0.785]
    path.write_text("task,language,score\nstsb,de,-3\nstsb,fr,0.5\n")
    assert read_scores(path)["score"].tolist() == [-3, 0.5], "a correlation"


def test_weak_scores_stay_percents_beside_larger_ones(tmp_path, caplog):
    found = scored(tmp_path, {"tatoeba": {"de": 0.4, "sw": 0.7, "fr": 0.9}, "xnli": {"de": 70.1}})
    assert list(found.values()) == [0.4, 0.7, 0.9, 70.1]
    assert "no score of tatoeba does" in caplog.text
    assert scored(tmp_path, {"percent": True, "tatoeba": {"de": 0.4}}) == {("tatoeba", "de"): 0.4}
    with pytest.raises(XferError, match='"percent" is 1'):
        scored(tmp_path, {"percent": 1, "tatoeba": {"de": 0.4}})


def test_a_task_on_two_scales_is_refused(tmp_path):
    path = tmp_path / "paper.csv"
    path.write_text("condition,task,language,score\nA,pos,de,0.885\nA,xnli,de,78.5\nB,pos,de,60\n")
    with pytest.raises(XferError, match="condition=A, task=pos") as error:
        read_scores(path)
    assert "two scales" in str(error.value)
    assert read_scores(path, percent=True)["score"].tolist() == [0.885, 78.5, 60]
    with pytest.raises(XferError, match="outside 0-100"):
        read_scores(path, percent=False)


def scored(tmp_path, tasks):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(tasks))
    return read_scores(path).set_index(["task", "language"])["score"].to_dict()


@pytest.mark.parametrize(
    ("task", "figures", "score"),
    [
        ("panx", {"accuracy": 95, "f1": 70}, 70),
        ("panx", {"overall_accuracy": 95, "overall_f1": 70, "LOC": {"f1": 30}}, 70),
        ("udpos", {"eval_accuracy": 95, "eval_f1": 70}, 70),
        ("ccg", {"accuracy": 95, "f1": 70}, 95),
        ("xquad", {"exact": 50, "f1": 70}, 60),
        ("xquad", {"em": 50, "f1": 70}, 60),
        ("mewslix", {"mAP@20": 40}, 40),
        ("tatoeba", {"acc": 40}, 40),
        ("xnli", {"f1": 60, "accuracy": 70}, 70),
        ("xnli", {"score": 71, "accuracy": 70}, 71),
        ("XNLI", {"accuracy": 70}, 70),
        ("PAWS-X", {"accuracy": 70}, 70),
        ("mlqa_translate_train", {"f1": 70, "exact": 50}, 60),
        ("my_task", {"f1": 60, "accuracy": 70}, 70),
        ("my_task", {"f1": 60, "exact": 70}, 65),
    ],
)
def test_the_tasks_metric_decides_between_figures(tmp_path, task, figures, score):
    named = {"XNLI": "xnli", "PAWS-X": "pawsx", "mlqa_translate_train": "mlqa-translate-train"}
    assert scored(tmp_path, {task: {"de": figures}}) == {(named.get(task, task), "de"): score}


@pytest.mark.parametrize(
    ("task", "figures", "words"),
    [
        (
            "panx",
            {"accuracy": 95},
            ["panx, de: has accuracy, but panx is scored by entity_f1", "f1, or score"],
        ),
        ("xquad", {"f1": 70}, ["has f1", "exact_match and f1"]),
        ("my_task", {"bleu": 70}, ["has bleu", "accuracy, f1"]),
        ("panx", {"eval_f1": 70, "test_f1": 60}, ["several figures that mean f1"]),
        ("panx", {}, ["has no figure"]),
    ],
)
def test_figures_that_are_not_the_tasks_are_named(tmp_path, task, figures, words):
    with pytest.raises(XferError) as error:
        scored(tmp_path, {task: {"de": figures}})
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("value", [None, "many", True, math.nan, [60], {"de": 60}])
def test_figures_that_are_no_numbers_are_named(tmp_path, value):
    def error(cell, task="xquad"):
        with pytest.raises(XferError) as raised:
            scored(tmp_path, {task: {"de": cell, "en": 50}})
        return str(raised.value)

    assert "xquad, de" in (said := error({"f1": value, "exact_match": 3})) and "f1" in said
    assert "xquad, de" in error({"score": value})
    assert "own, de" in error({"accuracy": value}, "own")
    assert "xquad, de" in error(value)


def test_figures_that_are_not_the_scores_may_be_anything(tmp_path):
    figures = {"f1": 70, "exact_match": "50", "model": "mine", "eval_loss": math.nan, "best": None}
    assert scored(tmp_path, {"xquad": {"de": figures}})


def test_score_files_of_xtreme(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text(
        json.dumps(
            {
                "xnli": {"en": {"accuracy": 88.7}, "avg_accuracy": 79.2},
                "mlqa": {"de": {"f1": 70, "exact_match": 50}, "avg_f1": 1},
                "udpos": {"de": 88.5},
                "all_task": 3,
            }
        )
    )
    found = read_scores(path).set_index(["task", "language"])["score"].to_dict()
    assert found == {("xnli", "en"): 88.7, ("mlqa", "de"): 60, ("udpos", "de"): 88.5}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.csv",
            "task,language,score\nxnli,xx,5\nxnli,de,many\n",
            ["2 problems", "'xx'", "'many' is no score"],
        ),
        (
            "a.csv",
            "task,language,score\nxnli,de,-3\nxnli,fr,250\nxnli,he,70\nxnli,iw,70\n",
            [
                "2 problems",
                "language=fr, score=250.0",
                "fractions, 0-1",
                "2 rows are duplicates",
                "language=he",
            ],
        ),
        ("a.csv", "x,y\n1,2\n", ["no column 'task'"]),
        ("a.csv", "task,en,de\nchoice,50,60,70\n", ["line 2 has 4 cells, and the first line 3"]),
        ("a.csv", "task,language,score,score\nxnli,en,1,2\n", ["column score is there twice"]),
        ("a.json", '{"choice": {"en": true, "de": 70}}', ["choice, en: True is no score"]),
        ("a.json", '{"qa": {"en": {"f1": 60, "exact_match": true}}}', ["exact_match is True"]),
        ("a.json", "[1]", ["not an object"]),
        ("a.json", "{", ["a.json:1", "is not JSON"]),
        ("a.csv", "task,language,score\n", ["no scores"]),
    ],
)
def test_unreadable_tables(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(XferError) as error:
        read_scores(tmp_path / name)
    for word in words:
        assert word in str(error.value)
    with pytest.raises(XferError, match="cannot be read"):
        read_scores(tmp_path / "nothing.csv")

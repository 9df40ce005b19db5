import re

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.commands.report import shown as shown_at_the_end
from mlflow_xfer.reporting import report
from mlflow_xfer.reporting.analysing import analyse
from mlflow_xfer.reporting.answer import by_condition, demonstration, headline, lead, second_line, short
from mlflow_xfer.reporting.charts import forest
from mlflow_xfer.reporting.conditions_table import borda, differences_table
from tests.stats.score_tables import table


def frame(**options):
    """``helper`` gains much on one task and loses on the other: on average little."""
    made = table({"baseline": 0, "helper": 0, "null": 0, "random": -20, "random helper": -20}, **options)
    first = made["task"].unique()[0]
    up = (made["condition"] == "helper") & (made["task"] == first)
    down = (made["condition"] == "helper") & (made["task"] != first)
    return made.assign(score=np.clip(made["score"] + 21.0 * up - 9.0 * down, 0, 100)), first


@pytest.fixture(scope="module")
def found():
    scores, task = frame(seeds=3)
    return analyse(scores, against={"random helper": "random"}), task


def test_a_gain_on_one_task_does_not_drown_in_the_average(found):
    analysis, task = found
    said = headline(analysis)
    assert re.search(rf"on {task} \+2\d\.\d \[\+\d+\.\d, \+\d+\.\d\]; (all|at least) \d+", said), said
    assert lead(analysis).task == task
    assert "helper elsewhere: " in second_line(analysis)
    head, rows = by_condition(analysis)
    assert head[:3] == ["condition", "average", task] and head[-1] == "against"
    assert {row[0]: row[-1] for row in rows}["random helper"] == "random"
    assert {row[0] for row in rows[:-1]} == {"helper", "null", "random", "random helper"}
    assert rows[-1][0] == "baseline: scores" and "[" not in "".join(rows[-1])


def test_a_control_is_never_the_answer():
    scores, _ = frame(seeds=3)
    high = scores.assign(score=scores["score"] + 30 * scores["condition"].str.startswith("random"))
    analysis = analyse(high, against={"random helper": "random"})
    assert analysis.contrasts[0].condition == "random"
    assert headline(analysis).startswith("helper is better") or "whether helper" in headline(analysis)


def test_languages_of_a_task_that_is_not_decided_are_not_counted():
    """Of many conditions and tasks some language is told from 0 by luck."""
    rows = [
        {"condition": f"c{n}" if n else "none", "task": task, "language": code, "seed": seed,
         "score": 50 + np.random.default_rng([n, t, seed, ord(code[0])]).normal()
         + 2.5 * (n == 1 and t == 0 and code == "de")}
        for n in range(8) for t, task in enumerate(("first", "second"))
        for code in ("de", "fr", "sw", "tr", "vi") for seed in range(4)
    ]  # fmt: skip
    analysis = analyse(pd.DataFrame(rows))
    found = lead(analysis)
    assert not found.decided and found.effects.gain + found.effects.lose > 0
    assert "languages" not in headline(analysis) and "gain" not in short(analysis)


def test_few_seeds_are_called_a_demonstration(found):
    assert demonstration(found[0]) == "3 seeds: a demonstration, not a verdict."
    scores, _ = frame(seeds=5)
    assert demonstration(analyse(scores)) == "5 seeds."


def test_the_page_begins_with_verdict_languages_and_conditions(found):
    scores, task = frame(seeds=3)
    made = report(scores, against={"random helper": "random"})
    top = made.html[: made.html.index("This design finds")]
    plain = re.sub(r"<[^>]+>", " ", top)
    assert plain.index("points on average") < plain.index("by language, 95 % joint") < plain.index("null")
    assert top.count("<li>") == len(scores["language"].unique())
    assert made.verdict["headline"] == headline(analyse(scores, against={"random helper": "random"}))
    of_task = next(
        one for one in made.verdict["by_task"] if (one["condition"], one["task"]) == ("helper", task)
    )
    assert of_task["languages"]["gain"] >= 1 and len(of_task["languages"]["effects"]) == top.count("<li>")


def test_a_condition_with_other_seeds_has_no_languages_but_a_verdict():
    scores, _ = frame(seeds=4)
    apart = scores[(scores["condition"] != "helper") | (scores["seed"] > 1)]
    analysis = analyse(apart)
    assert lead(analysis).effects is None
    assert headline(analysis) and by_condition(analysis)[1]


def demo():
    """As the demo has it: a control, and a condition that is compared with the control."""
    levels = {"baseline": 40, "attribute": 43, "random": 24, "random, attribute": 29}
    rows = [
        {"condition": name, "task": "xnli", "language": code, "seed": seed, "score": level + own}
        for name, level in levels.items()
        for code in ("de", "sw")
        for seed, own in enumerate((0.3 * (level % 3), 0.0, -0.2))
    ]
    return pd.DataFrame(rows)


def test_each_difference_names_the_condition_that_it_is_to(tmp_path):
    made = report(demo(), against={"random, attribute": "random"})
    expected = {
        "baseline": "",
        "attribute": "baseline",
        "random": "baseline",
        "random, attribute": "random",
    }
    table = made.tables["differences"].set_index("condition")
    assert table["against"].to_dict() == expected
    assert made.analysis.contrasts[0].condition == "random, attribute", "first, and no one's title"
    assert "Differences to the condition beside each with 95" in made.latex
    assert re.search(r"random, attribute & [\d.]+ & random & ", made.latex)
    assert re.search(r"attribute & [\d.]+ & baseline & ", made.latex)
    assert re.search(r"\| random, attribute \| +[\d.]+ \| random ", made.markdown)
    made.save(tmp_path)
    assert pd.read_csv(tmp_path / "tables" / "differences.csv")["against"].tolist()[1:] == [
        expected[name] for name in table.index[1:]
    ]


def test_a_page_and_plot_of_several_baselines_name_them_row_by_row():
    made = report(demo(), against={"random, attribute": "random"})
    drawing = forest(made.analysis.contrasts)
    for of in (drawing, made.html):
        assert "points against its own baseline" in of and "Differences, each to its own baseline" in of
        assert "Differences to random" not in of and "points against random<" not in of
        assert re.search(r">random, attribute</text><text [^>]*>against random<", of)
        assert re.search(r">attribute</text><text [^>]*>against baseline<", of)
    assert "random, attribute against random: +" in drawing
    assert re.search(r">random, attribute</th><td>random</td><td[^>]*>\+", made.html)
    (shown, *_) = shown_at_the_end(made).tables
    assert [row[2] for row in shown.rows] == made.tables["differences"]["against"].tolist()


def test_one_baseline_is_named_once(found):
    made = report(found[0].frame)
    assert "Differences to baseline with 95" in made.latex and "against" not in made.latex
    assert "points against baseline<" in made.html and "against its own" not in made.html
    assert "difference to baseline" in made.html
    assert "against" not in shown_at_the_end(made).tables[0].head


def test_one_seed_says_that_nothing_is_decided():
    scores, _ = frame(seeds=1)
    said = headline(analyse(scores))
    assert said.startswith("Undecided whether") and "[" not in said


def test_one_condition_alone_is_described():
    scores, _ = frame(seeds=3)
    alone = scores[scores["condition"] == "helper"]
    assert re.match(r"helper scores \d+\.\d \[", headline(analyse(alone)))


def test_conditions_of_one_mean_share_their_rank_in_whichever_order_their_seeds_come():
    rows = [
        (name, "choice", "de", seed, score)
        for name, scores in {"a": (66.1, 66.7, 70.3), "b": (66.1, 70.3, 66.7), "none": (60, 61, 62)}.items()
        for seed, score in enumerate(scores)
    ]
    scores = pd.DataFrame(rows, columns=["condition", "task", "language", "seed", "score"])
    assert borda(analyse(scores, detailed=False)) == {"a": 1.5, "b": 1.5, "none": 3.0}


def test_borda_ranks_stand_beside_means_and_no_task_drowns_the_others():
    rows = [
        (name, task, language, 0, score)
        for name, scores in {"a": (10, 50, 50), "b": (90, 40, 40), "c": (0, 40, 30)}.items()
        for task, score in zip(("far", "near", "nearer"), scores, strict=True)
        for language in ("de", "tr")
    ]
    scores = pd.DataFrame(rows, columns=["condition", "task", "language", "seed", "score"])
    analysis = analyse(scores, baseline="c", detailed=False)
    assert borda(analysis) == pytest.approx(
        {"a": (2 + 1 + 1) / 3, "b": (1 + 2.5 + 2) / 3, "c": (3 + 2.5 + 3) / 3}
    )
    table = differences_table(analysis).set_index("condition")
    assert table.loc["b", "mean"] > table.loc["a", "mean"], "one task decides the mean"
    assert table.loc["a", "borda"] < table.loc["b", "borda"], "and not the ranks"

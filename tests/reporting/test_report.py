import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting import make_report, report
from mlflow_xfer.reporting.hypertext import VOID
from tests.stats.score_tables import table

NASTY = {
    "none": 0.0,
    "<script>alert(1)</script>": 2.0,
    '=cmd|" /C calc"!A0': 1.0,
    r"\input{/etc/passwd} & 50% $x_1$ #~^": 0.5,
    "a | b ` [x](javascript:alert(1)) \u0007": -1.0,
}


class Page(HTMLParser):
    """Reads a page strictly: every element closed, ids unique, nothing fetched, no script."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.tags, self.text, self.problems = [], [], [], [], []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action", "data") or name.startswith("on"):
                self.problems.append((tag, name, value))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open[-3:])
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def usual():
    frame = table(
        {"none": 0, "mnli": 4, "cola": 0},
        seeds=8,
        suite="mini",
        protocol="select_by=english_dev",
        metric="accuracy",
    )
    return report(frame, question="Does MNLI help?", registered=["mnli"])


def test_the_page_stands_alone_and_is_well_formed(usual):
    page = Page(usual.html)
    assert usual.html.startswith("<!DOCTYPE html>\n<html lang=")
    assert len(page.ids) == len(set(page.ids)) and not page.problems
    assert not {"script", "iframe", "object", "embed", "link", "img", "form"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://", usual.html)
    text = " ".join(page.text)
    for part in (
        "Answer",
        "Differences to the baseline",
        "Languages and tasks",
        "Typological distance",
        "Where the variation comes from",
        "Protocol",
        "Limits",
        "How to reproduce",
    ):
        assert part in text
    assert page.tags.count("svg") == 3 and page.tags.count("title") == 4 and page.tags.count("desc") == 3


def test_the_answer_is_two_sentences_with_interval_and_power(usual):
    answer = usual.verdict["answer"]
    assert re.match(
        (
            r"mnli is better than none \(\+\d\.\d points, 95 % interval \+\d\.\d to \+\d\.\d, corrected p < "
            r"\.001, 8 seeds, over 2 tasks and 8 languages; pre-registered\)\. This design finds a "
            r"difference of \d\.\d points in 8 of 10 cases \(optimistic: estimated from 8 seeds\)\."
        ),
        answer,
    )


def test_equivalence_is_told_with_the_interval_that_decides_it():
    """Two one-sided tests at 5 % mean the 90 % interval: that of 95 % reaches beyond the margin."""
    rows = [
        {"condition": name, "task": "xnli", "language": "de", "seed": seed, "score": 60 + gain}
        for seed, gain in enumerate((-1.14, -0.57, 0.0, 0.57, 1.14))
        for name, gain in (("none", 0.0), ("mnli", gain))
    ]
    made = report(pd.DataFrame(rows))
    (one,) = made.verdict["contrasts"]
    assert one["verdict"] == "equivalent" and one["high"] > 1 > one["equivalence_high"]
    assert one["equivalence_level"] == 0.9
    first = (
        "mnli and none are equivalent within 1.0 points (0.0 points, 90 % interval −0.9 to +0.9, corrected "
    )
    assert made.verdict["answer"].startswith(f"{first}p of equivalence = .03")
    said = "mnli and none are equivalent within 1: 0.0 [−0.9, +0.9] (90 % interval); no single language"
    assert made.verdict["headline"].startswith(said)
    assert "decided by the 90 % interval" in made.html


def test_the_verdict_is_strict_json_with_everything_a_program_needs(usual):
    read = json.loads(json.dumps(usual.verdict, allow_nan=False))
    first = read["contrasts"][0]
    assert (
        first["condition"] == "mnli" and first["verdict"] == "better" and first["status"] == "pre-registered"
    )
    for key in (
        "estimate",
        "low",
        "high",
        "p",
        "p_corrected",
        "p_equivalence",
        "detectable",
        "margin",
        "n",
        "method",
        "population",
    ):
        assert first[key] is not None, key
    assert [c["status"] for c in read["contrasts"]] == ["pre-registered", "exploratory"]
    assert read["baseline"] == "none" and read["question"] == "Does MNLI help?"


def test_registered_contrasts_do_not_pay_for_exploratory_ones():
    frame = table({"none": 0, "mnli": 2, **{f"c{i}": 0 for i in range(6)}}, seeds=5)
    alone = report(frame, registered=["mnli"]).verdict["contrasts"]
    first = next(c for c in alone if c["condition"] == "mnli")
    assert first["p_corrected"] == first["p"]
    together = next(c for c in report(frame).verdict["contrasts"] if c["condition"] == "mnli")
    assert (
        together["p_corrected"] == pytest.approx(min(1, 7 * together["p"]))
        and together["status"] == "exploratory"
    )


def test_the_same_table_gives_the_same_bytes():
    frame = table({"none": 0, "mnli": 1})
    shuffled = frame.sample(frac=1, random_state=1)
    shuffled = shuffled.iloc[
        np.argsort(shuffled["condition"].map({"none": 0, "mnli": 1}).to_numpy(), kind="stable")
    ]
    assert report(frame).html == report(frame).html == report(shuffled).html


def test_hostile_names_come_out_as_text():
    made = report(table(NASTY), question="<img src=x onerror=alert(1)> & \\write18{rm}?")
    page = Page(made.html)
    assert not page.problems and "script" not in page.tags and "img" not in page.tags
    assert "<script>alert(1)</script>" in "".join(page.text)
    assert "\u0007" not in made.html
    assert (
        r"\input" not in made.latex
        and r"\write18" not in made.latex
        and r"\textbackslash{}input" in made.latex
    )
    body = re.sub(r"\\[&%$#_{}]", "", made.latex.split(r"\midrule")[1].split(r"\bottomrule")[0])
    assert "#" not in body and body.count("&") == 8 * 5
    described = made.description.replace("`report.html`", "")
    assert "<script" not in described and not re.search(r"(?<!\\)(\]\(|`)", described)
    for line in made.markdown.splitlines():
        assert len(re.findall(r"(?<!\\)\|", line)) == 10


def test_files_are_written_and_formula_safe(tmp_path):
    made = make_report(table(NASTY), tmp_path / "out", question="Q?")
    for name in (
        "report.html",
        "verdict.json",
        "differences.tex",
        "differences.md",
        "results.csv",
        "results.parquet",
        "tables/differences.csv",
    ):
        assert (tmp_path / "out" / name).stat().st_size > 50, name
    assert not list((tmp_path / "out").rglob("*.partial"))
    cells = (tmp_path / "out" / "results.csv").read_text()
    assert "'=cmd" in cells and not re.search(r'(^|,)"?=', cells, re.M)
    again = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert report(again, question="Q?").html == made.html
    (tmp_path / "file").write_text("")
    with pytest.raises(XferError, match="cannot be written"):
        made.save(tmp_path / "file")


def test_one_condition_is_described_without_a_baseline():
    made = report(table({"mnli": 1}))
    assert made.verdict["contrasts"] == [] and made.verdict["baseline"] is None
    assert "no second condition" in made.verdict["answer"]
    Page(made.html)


def test_the_smallest_table():
    made = report(table({"none": 0, "mnli": 1}, seeds=1, tasks=("xnli",), languages=("de",)))
    assert made.verdict["contrasts"][0]["verdict"] == "not enough power"
    assert "1 seed allow no interval" in made.verdict["answer"] or "no interval" in made.verdict["answer"]
    assert made.verdict["gaps"]
    Page(made.html)


def test_arms_without_common_seeds_are_compared_unpaired():
    made = report(table({"none": 0, "mnli": 5}, seeds={"none": 4, "mnli": 6}))
    assert (
        made.verdict["contrasts"][0]["method"].startswith("unpaired")
        and "do not share their seeds" in made.html
    )


def test_a_baseline_must_be_there():
    frame = table({"a": 0, "b": 1})
    with pytest.raises(XferError, match="no condition 'none'"):
        report(frame)
    assert report(frame, baseline="a").verdict["baseline"] == "a"
    with pytest.raises(XferError, match="Unknown baseline"):
        report(frame, baseline="c")
    with pytest.raises(XferError, match="Unknown condition 'c'"):
        report(frame, baseline="a", registered=["c"])


def test_bad_tables_are_refused_with_their_rows():
    frame = table({"none": 0, "mnli": 1})
    with pytest.raises(
        XferError, match=r"(?s)2 cells are missing in some conditions.*language=sw.*missing=common"
    ):
        report(frame[(frame["condition"] == "none") | (frame["language"] != "sw")])
    with pytest.raises(XferError, match=r"(?s)1 cells are missing.*seed=2"):
        report(frame.drop(frame[(frame["condition"] == "none") & (frame["seed"] == 2)].index[:1]))
    with pytest.raises(XferError, match="Unknown language 'xx'"):
        report(frame.assign(language=frame["language"].replace("sw", "xx")))
    with pytest.raises(XferError, match="two scales"):
        report(frame.assign(score=frame["score"].where(frame["condition"] == "none", frame["score"] / 100)))
    with pytest.raises(XferError, match="Different protocols"):
        report(
            frame.assign(
                protocol=frame["condition"].map({"none": "select_by=english_dev", "mnli": "select_by=oracle"})
            )
        )
    with pytest.raises(XferError, match="margin=0"):
        report(frame, margin=0)
    with pytest.raises(XferError, match="Unknown distance"):
        report(frame, measure="syntatic")


def test_common_cells_can_be_kept_and_that_is_said():
    frame = table({"none": 0, "mnli": 1})
    made = report(frame[(frame["condition"] == "none") | (frame["language"] != "sw")], missing="common")
    assert (
        "2 of 16 task-language pairs" in made.verdict["gaps"][0]
        and made.verdict["contrasts"][0]["n"]["languages"] == 7
    )


def test_imported_rows_are_shown_and_not_tested(tmp_path):
    (tmp_path / "paper.csv").write_text("condition,task,en,de\nXLM-R,xnli,88.7,82.2\n")
    from mlflow_xfer.reporting import read_scores

    frame = pd.concat([table({"none": 0, "mnli": 1}), read_scores(tmp_path / "paper.csv")])
    made = report(frame)
    assert "XLM-R" in made.html and "not tested" in made.html and len(made.verdict["contrasts"]) == 1


def test_costs_and_protocol_lines_appear():
    costs = pd.DataFrame(
        {
            "run_id": ["a"],
            "phase": ["target"],
            "name": ["t"],
            "steps": [1500.0],
            "tokens": [2e6],
            "seconds": [7200.0],
        }
    )
    made = report(
        table({"none": 0, "mnli": 1}),
        costs=costs,
        protocol={"Batch": "32"},
        reproduce=["mlflow-xfer report abc"],
    )
    assert (
        "1,500" in made.html
        and "2.00" in made.html
        and "Batch" in made.html
        and "mlflow-xfer report abc" in made.html
    )


def test_many_conditions_stay_legible():
    made = report(table({"none": 0, **{f"c{i:02d}": i / 10 for i in range(60)}}, seeds=2, tasks=("xnli",)))
    assert "first 40 of 60 conditions" in made.html and "first 12 of 61 conditions" in made.html
    assert len(made.tables["differences"]) == 61


def test_importing_the_package_is_cheap():
    import subprocess
    import sys

    code = (
        "import sys, mlflow_xfer.reporting; print([m for m in ('pandas', 'scipy', 'mlflow', 'torch') if m in "
        "sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_what_a_design_finds_is_said_for_the_corrected_test():
    rng = np.random.default_rng(0)
    rows = [
        {"condition": f"c{n}" if n else "none", "task": "xnli", "language": "de", "seed": seed,
         "score": 60 + rng.normal()}
        for n in range(11) for seed in range(5)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    few = report(frame[frame["condition"].isin(["none", "c1"])]).verdict["contrasts"][0]
    among = next(one for one in report(frame).verdict["contrasts"] if one["condition"] == "c1")
    assert few["estimate"] == among["estimate"] and among["detectable"] > 1.5 * few["detectable"]
    assert few["seeds_needed"] < among["seeds_needed"]


def test_one_of_a_kind_is_counted_in_the_singular():
    rows = [
        {"condition": "none", "task": "xnli", "language": "de", "seed": seed, "score": 60 + seed}
        for seed in range(3)
    ]
    said = report(pd.DataFrame(rows)).verdict["answer"]
    assert said.startswith("none scores 61.0 on average over 1 task and 1 language (3 seeds, 95 % interval")
    said = report(pd.DataFrame(rows[:1])).verdict["answer"]
    assert "(1 seed)." in said


def test_what_is_the_same_with_every_seed_is_no_lack_of_power():
    rows = [
        {"condition": name, "task": "xnli", "language": "de", "seed": seed, "score": score}
        for seed in range(3)
        for name, score in (("none", 60.0), ("mnli", 61.0))
    ]
    made = report(pd.DataFrame(rows))
    assert "the same with each of 3 seeds: that is nothing to infer from" in made.verdict["answer"]
    assert "every seed scores the same" in made.html
    assert made.html.lower().count("not enough power") == 1, "the legend of the drawing"

"""The stages on real models: what is declared, that nothing is run twice, and what the tables say."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from itertools import product

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def real(script, project):
    """The program, with its modules by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(project / "benchmarks"))
        main = script("benchmarks/real_models.py")
        for name in ("data", "run", "answers", "found", "report", "stages"):
            setattr(main, name, import_module(f"real_models_{name}"))
        yield main


def scores(stage, gains: dict[str, float], seeds, tasks=("pawsx", "tatoeba")) -> pd.DataFrame:
    """Rows as a run keeps them: conditions that gain so much, with noise between seeds and languages."""
    draw, rows = np.random.default_rng(0), []
    names = [one.name for one in stage.conditions]
    for task, seed in product(tasks, seeds):
        for name, language in product(names, ("de", "fr", "ja", "ko", "zh")):
            if task == "tatoeba" and "steps" in name:
                continue
            score = 60 + gains.get(name, 0.0) * (1 if task == "pawsx" else -1) + draw.normal(0, 1.0)
            rows.append((name, task, language, seed, score))
    frame = pd.DataFrame(rows, columns=["condition", "task", "language", "seed", "score"])
    return frame.assign(
        stage=stage.name, n=200, metric="accuracy", declared=stage.hash, marks="", commit="c", seconds=60.0,
        tokens=1e5, steps=100, cpu=50.0, majority=55.0,
    )  # fmt: skip


def kept(frame: pd.DataFrame, folder) -> None:
    for seed, rows in frame.groupby("seed"):
        rows.to_parquet(folder / f"{rows['stage'].iloc[0]}-{seed}.parquet")


def recomputed(folder) -> list[tuple[float, float, float, float]]:
    """The registered contrasts of stage A from its tables, without the product:
    estimate, interval, corrected p."""
    from scipy import stats

    rows = pd.concat(pd.read_parquet(file) for file in folder.glob("A-*.parquet"))
    means = rows.groupby(["task", "condition", "seed"])["score"].mean()
    pairs = [("pawsx", "mnli-5k-permuted"), ("pawsx", "none, as many steps"), ("tatoeba", "none")]
    gaps = [(means[task, "mnli-5k"] - means[task, other]).dropna() for task, other in pairs]
    tests = [stats.ttest_1samp(gap, 0) for gap in gaps]
    order, worst, corrected = sorted(range(3), key=lambda i: tests[i].pvalue), 0.0, {}
    for place, i in enumerate(order):
        corrected[i] = worst = max(worst, min(1.0, (3 - place) * tests[i].pvalue))
    ends = [test.confidence_interval() for test in tests]
    return [
        (gap.mean(), end.low, end.high, corrected[i])
        for i, (gap, end) in enumerate(zip(gaps, ends, strict=True))
    ]


@pytest.mark.parametrize("gain", [8.0, 0.3])
def test_the_verdict_is_that_of_a_script_that_knows_only_the_tables(real, tmp_path, gain):
    (stage, *_) = real.stages.STAGES
    kept(scores(stage, {"mnli-5k": gain}, stage.seeds), tmp_path)
    found = real.found.Found.read(tmp_path, real.stages.STAGES)
    made = [contrast for _, contrast in real.found.registered(found, stage)]
    for contrast, (estimate, low, high, p) in zip(made, recomputed(tmp_path), strict=True):
        assert (contrast.estimate, contrast.low, contrast.high) == pytest.approx((estimate, low, high))
        assert contrast.p_corrected == pytest.approx(p, abs=1e-9)
        assert contrast.status == "pre-registered", "the plan of the checkout names what is declared in it"
    assert (made[0].verdict == "better") == (made[0].p_corrected < 0.05 and gain > 1)
    assert ("shows" in real.found.title(found, stage)) == (gain > 1)


def test_tables_of_this_checkout_say_what_its_page_says(real, project):
    folder = project / "benchmarks" / "real_models"
    found = real.found.Found.read(folder, real.stages.STAGES)
    page = (project / "benchmarks" / "real_models.md").read_text("utf-8")
    assert page == real.report.page(found, {}), "refresh with: python benchmarks/real_models.py report"
    assert page.startswith(f"# {real.found.title(found, real.stages.STAGES[0])}\n")


def test_seeds_that_only_say_the_most_frequent_label_are_named(real, tmp_path):
    (stage, *_) = real.stages.STAGES
    kept(scores(stage, {"mnli-5k": 8.0}, (0, 1), ("pawsx",)), tmp_path)
    page = real.report.write(tmp_path, tmp_path / "page.md", [stage])
    assert "most frequent" not in page, "all are five points and more above it"
    rows = scores(stage, {}, (0, 1), ("pawsx",))
    rows.loc[(rows["condition"] == "mnli-5k") & (rows["seed"] == 1), "score"] = 55.5
    kept(rows, tmp_path)
    page = real.report.write(tmp_path, tmp_path / "page.md", [stage])
    assert "unlike other seeds of the same: mnli-5k on pawsx (seed 1). They count.**" in page


def test_a_changed_declaration_is_exploratory(real, tmp_path):
    (stage, *_) = real.stages.STAGES
    kept(scores(stage, {"mnli-5k": 8.0}, stage.seeds), tmp_path)
    changed = replace(stage, margin=0.5)
    page = real.report.write(tmp_path, tmp_path / "page.md", [changed])
    assert "## Stage A: exploratory" in page and f"is declared now ({changed.hash})" in page
    assert stage.hash in page and "; exploratory)" in page and "pre-registered" not in page


def test_a_part_of_the_tables_says_what_is_missing(real, tmp_path):
    (stage, *_) = real.stages.STAGES
    rows = scores(stage, {"mnli-5k": 8.0}, (0, 1))
    kept(rows[(rows["seed"] == 0) | (rows["condition"] != "mnli-5k-permuted")], tmp_path)
    page = real.report.write(tmp_path, tmp_path / "page.md", real.stages.STAGES)
    assert "1 of 42 pieces." in page and "A-1 (5 of 7 cells), A-2, A-3" in page
    planned = real.found.planned()
    assert set(planned) == {piece.name for piece in real.stages.pieces() if not piece.answers}
    assert f"| A-0 | run | {planned['A-0']:.0f} | 4 |" in page, "seven cells of 50 seconds, on 1.6 cores"
    assert "no verdict before all 6 seeds, 1 so far" in page.splitlines()[0]
    assert "**Not the verdict yet**: 1 of the 6 seeds" in page
    assert "mnli-5k → pawsx, gain by language" in page
    (tmp_path / "A-1.parquet").unlink()
    one_seed = real.report.write(tmp_path, tmp_path / "page.md", real.stages.STAGES)
    assert "gain by language" not in one_seed
    assert (tmp_path / "forest-A.svg").is_file() and (tmp_path / "languages-A-pawsx.svg").is_file()


def test_a_stage_that_varies_another_shows_it_beside(real, tmp_path):
    by_name = {stage.name: stage for stage in real.stages.STAGES}
    for name, gain in (("A", 8.0), ("L", 3.0)):
        kept(scores(by_name[name], {"mnli-5k": gain}, (0, 1, 2), ("pawsx",)), tmp_path)
    page = real.report.write(tmp_path, tmp_path / "page.md", real.stages.STAGES)
    own = page[page.index("## L:") :]
    beside = next(line for line in own.splitlines() if line.startswith("Beside it"))
    assert beside.startswith("Beside it in stage A: mnli-5k → pawsx +8.") and "against none." in beside
    assert "| pawsx | mnli-5k | 6" in own and "+8" not in own.split(beside)[0]


def test_a_stage_that_answers_a_study_says_its_answer(real, tmp_path):
    (stage,) = (one for one in real.stages.STAGES if one.study)
    arms = {arm.name for arm in stage.studied.arms}
    assert arms == {one.name for one in stage.conditions}, "the study's arms are what the stage runs"
    kept(scores(stage, {}, (0, 1), [target.name for target in stage.targets]), tmp_path)
    page = real.report.write(tmp_path, tmp_path / "page.md", [stage])
    answer = next(line for line in page.splitlines() if line.startswith(f"The study `{stage.study}`"))
    assert "MNLI against none: " in answer and "SICK+RTE against none: " in answer
    assert "2 seeds, 2 tasks, 5 languages; pre-registered)" in answer
    changed = replace(stage, seeds=(0, 1))
    assert "exploratory)" in real.report.write(tmp_path, tmp_path / "page.md", [changed])


def test_a_study_that_is_changed_is_another_declaration(real, monkeypatch):
    (stage,) = (one for one in real.stages.STAGES if one.study)
    before, other = stage.hash, next(one for one in real.stages.STAGES if not one.study)
    alone = other.hash
    monkeypatch.setattr(type(stage), "studied", replace(stage.studied, margin=9.0))
    assert stage.hash != before and other.hash == alone


def test_nothing_is_run_yet_and_the_page_says_so(real, tmp_path):
    page = real.report.write(tmp_path, tmp_path / "page.md", real.stages.STAGES)
    assert page.startswith("# mnli-5k before pawsx: not run yet\n") and "0 of 42 pieces" in page


# -- run -----------------------------------------------------------------------------------------------------
NOUNS = ("ship", "harbour", "sea", "captain", "storm", "island")


@pytest.fixture
def folder(tmp_path):
    """A small folder of data, with languages that are none of those of the stages."""
    (tmp_path / "data" / "xtreme" / "pawsx").mkdir(parents=True)
    (tmp_path / "data" / "xtreme" / "tatoeba").mkdir()
    (tmp_path / "data" / "intermediate").mkdir()
    labels = ("entailment", "neutral", "contradiction")
    pairs = [
        {
            "premise": f"the {noun} number {n} is old",
            "hypothesis": f"{noun} {n} is new",
            "label": labels[n % 3],
        }
        for n, noun in enumerate(NOUNS * 20)
    ]
    lines = [json.dumps(pair) for pair in pairs]
    (tmp_path / "data" / "intermediate" / "mnli10k.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("train-en", "dev-en", "test-en", "test-ko", "test-fr"):
        rows = [
            f"the {noun} {n} left\tthe {noun} {n} stayed in {name}\t{n % 2}"
            for n, noun in enumerate(NOUNS * 2)
        ]
        (tmp_path / "data" / "xtreme" / "pawsx" / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    for name in ("sw-en.sw", "sw-en.en", "eu-en.eu", "eu-en.en"):
        rows = [f"{name} {noun} {n}" for n, noun in enumerate(NOUNS)]
        (tmp_path / "data" / "xtreme" / "tatoeba" / name).write_text("\n".join(rows) + "\n")
    return tmp_path / "data"


def test_a_null_has_the_rows_of_its_condition_with_other_labels(real, folder, tmp_path):
    there = real.data.Folder(folder, tmp_path / "home")
    there.task_file(["mnli-5k", "mnli-5k-permuted"], 3)
    plain, null = (
        [
            json.loads(line)
            for line in (tmp_path / f"home/tasks/seed-3/{name}.train.jsonl").read_text().splitlines()
        ]
        for name in ("mnli-5k", "mnli-5k-permuted")
    )
    assert [row["text_a"] for row in plain] == [row["text_a"] for row in null] and len(plain) > 40
    labels = [[row["label"] for row in rows] for rows in (plain, null)]
    assert labels[0] != labels[1] and sorted(labels[0]) == sorted(labels[1])


def test_languages_are_those_of_the_folder(real, folder, tmp_path):
    there = real.data.Folder(folder, tmp_path / "home")
    pawsx, tatoeba = real.stages.PAWSX, real.stages.TATOEBA
    assert there.languages(pawsx) == ["en", "fr", "ko"] and there.languages(tatoeba) == ["eu", "sw"]
    assert there.languages(replace(pawsx, languages=2)) == ["en", "ko"]


@pytest.mark.slow
def test_the_same_command_runs_nothing_again(real, folder, encoder, tmp_path, caches, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it goes to the home, and is to come back
    tables = tmp_path / "tables"
    command = [
        "run",
        "tiny-0",
        "--home",
        str(tmp_path / "home"),
        "--data",
        str(folder),
        "--rows",
        str(tables),
    ]
    command += ["--model", str(encoder)]
    said = []
    for _ in range(3):
        real.main(command)
        said.append(capsys.readouterr().out.split(":")[1].split()[0])
        rows = pd.read_parquet(tables / "tiny-0.parquet")
        if len(said) == 2:
            (tables / "tiny-0.parquet").unlink()
    assert said == ["13", "0", "0"], "from the table; then, without it, from the store"
    cells = rows[["condition", "task"]].drop_duplicates()
    assert len(cells) == 7 and set(rows["language"]) == {"en", "fr", "ko", "eu", "sw"}
    steps = rows.drop_duplicates(["condition", "task"]).set_index(["condition", "task"])["steps"]
    assert (
        steps["none, as many steps", "pawsx"] == steps["mnli-5k", "pawsx"] == 4
        and steps["none", "pawsx"] == 2
    )
    assert set(rows.loc[rows["marks"] == "base-seen", "task"]) == {"tatoeba"}, "its makers had translations"
    assert rows["predictions"].str.fullmatch("[0-9a-f]{64}").all() and rows["spec"].nunique() == 7
    assert (
        (rows["cpu"] > 0).all()
        and rows["code"].str.len().eq(64).all()
        and set(rows["declared"]) == {real.stages.TINY.hash}
    )
    report = ["report", "--track", *command[2:], "--out", str(tmp_path / "page.md")]
    real.main(report, (real.stages.TINY,))
    assert "1 of 1 pieces" in capsys.readouterr().out
    (logged,) = tmp_path.rglob("artifacts/page.md")
    assert logged.read_text() == (tmp_path / "page.md").read_text()
    kept = {path.relative_to(logged.parent).as_posix() for path in logged.parent.rglob("*")}
    assert {
        "tables/forest-tiny.svg",
        "reports/tiny-pawsx/report.html",
        "reports/tiny-tatoeba/report.html",
    } <= kept


@pytest.mark.slow
def test_answers_are_judged_by_all_subsets(real, folder, encoder, tmp_path, caches, monkeypatch):
    monkeypatch.setattr(real.answers, "METHODS", ("size", "english"))
    pool, targets = ("mnli-5k", "mnli-5k-permuted"), (real.stages.Target("pawsx", 600),)
    settings = {"max_steps": 2, "combine": "merge"}
    known = next(stage for stage in real.stages.STAGES if stage.pool)
    conditions = real.stages.subsets(pool)
    own = {"conditions": conditions, "pool": pool, "targets": targets, "settings": settings}
    stage = replace(known, parts=1, seeds=(0,), **own)
    lab = real.run.Lab(real.data.Folder(folder, tmp_path / "home"), str(encoder), tmp_path / "tables")
    subsets, answers = real.stages.pieces((stage,))
    with pytest.raises(Exception, match="Run first: G-0"):
        real.answers.ask(lab, answers)
    assert real.run.run(lab, subsets) == 2 + 1 + 4 + 4, "single tasks, their merge, and what stands on them"
    assert real.answers.ask(lab, answers) == 3 and real.answers.ask(lab, answers) == 0
    rows = pd.read_parquet(tmp_path / "tables" / "G-0-answers.parquet")
    searched = json.loads(rows.set_index("method").loc["search", "scores"])
    assert set(searched) == {one.name for one in conditions}
    page = real.report.write(tmp_path / "tables", tmp_path / "page.md", [stage])
    assert "| search | all subsets | " in page and "| english | single tasks | " in page

"""The chain on real data in XTREME's layout, 20 steps of each training: what is read, counted and scored.

Every task of the folder is trained and scored once; the figures mean nothing here.
"""

from __future__ import annotations

import json

import pytest

import mlflow_xfer

pytestmark = pytest.mark.slow

STEPS = {
    "max_steps": 20,
    "train_batch_size": 4,
    "max_train_examples": 60,
    "max_eval_examples": 25,
    "max_seq_length": 64,
}
TASKS = """
tasks:
  sick:
    kind: classification
    format: tsv
    header: true
    labels: {{ENTAILMENT: entailment, NEUTRAL: neutral, CONTRADICTION: contradiction}}
    columns: {{text_a: sentence_A, text_b: sentence_B, label: entailment_judgment}}
    files:
      train: {folder}/intermediate/sick/SICK_train.txt
      validation: {folder}/intermediate/sick/SICK_trial.txt
      test: {{en: {folder}/intermediate/sick/SICK_test_annotated.txt}}
  mnli10k:
    kind: classification
    format: jsonl
    labels: [entailment, neutral, contradiction]
    columns: {{text_a: {premise}, text_b: {hypothesis}, label: {label}}}
    files: {{train: {folder}/intermediate/mnli10k.jsonl}}
    validation_fraction: 0.05
  rte-files:
    kind: classification
    labels: [entailment, not_entailment]
    columns: {{text_a: sentence1, text_b: sentence2}}
    files: {{train: {folder}/intermediate/rte/train.tsv, validation: {folder}/intermediate/rte/dev.tsv}}
  pubmedqa-files:
    kind: classification
    domain: biomedical
    labels: ["yes", "no", "maybe"]
    columns: {{text_a: QUESTION, text_b: CONTEXTS, label: final_decision}}
    files:
      train:
        path: {folder}/intermediate/pubmedqa/ori_pqal.json
        exclude_ids: {folder}/intermediate/pubmedqa/test_ground_truth.json
  cosmosqa-files:
    kind: multiple_choice
    columns: {{choices: [answer0, answer1, answer2, answer3]}}
    validation_fraction: 0.1
    files: {{train: {folder}/intermediate/cosmosqa-valid.csv}}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def base(real_data, shared, monkeypatch):
    """One base for all tests of this module, in one store and home."""
    monkeypatch.setenv("XFER_HOME", str(shared / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared / 'mlflow.db'}")
    monkeypatch.chdir(shared)
    made = mlflow_xfer.pretrain(
        model="scratch:xlm-roberta:tiny",
        text=str(real_data / "text"),
        text_languages="en,de,tr,zh",
        max_steps=3,
        train_batch_size=4,
    )
    (shared / "tasks.yaml").write_text(TASKS.format(folder=real_data, **mnli_columns(real_data)))
    return made.run_id


def mnli_columns(real_data) -> dict[str, str]:
    with (real_data / "intermediate" / "mnli10k.jsonl").open(encoding="utf-8") as file:
        names = list(json.loads(file.readline()))
    return {
        part: next(name for name in names if any(word in name.lower() for word in words))
        for part, words in {
            "premise": ("premise", "sentence1"),
            "hypothesis": ("hypothesis", "sentence2"),
            "label": ("label",),
        }.items()
    }


def table(run_id: str) -> list[dict]:
    from mlflow import MlflowClient

    with open(
        MlflowClient().download_artifacts(run_id, "results/per_language.json"), encoding="utf-8"
    ) as file:
        found = json.load(file)
    return [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]


def files_of(real_data, task: str, pattern: str) -> set[str]:
    return {
        path.name.split(".")[0].removeprefix("test-") for path in (real_data / "xtreme" / task).glob(pattern)
    }


def test_sick_then_xnli_in_every_language_there_is(base, real_data, shared):
    found = mlflow_xfer.transfer(
        model=base,
        data=str(real_data / "xtreme"),
        task_file=str(shared / "tasks.yaml"),
        intermediate="sick",
        target="xnli",
        **STEPS,
    )
    rows = table(found.run_id)
    assert {row["language"] for row in rows} == files_of(real_data, "xnli", "test-*.tsv") and len(rows) >= 12
    assert all(row["n"] == 25 and row["chance"] == pytest.approx(100 / 3) for row in rows)


def test_mnli10k_then_pairs_tags_and_entities(base, real_data, shared):
    found = mlflow_xfer.transfer(
        model=base,
        data=str(real_data / "xtreme"),
        task_file=str(shared / "tasks.yaml"),
        intermediate="mnli10k",
        target="pawsx,udpos,panx",
        **STEPS,
    )
    rows = table(found.run_id)
    for task in ("pawsx", "udpos", "panx"):
        assert {row["language"] for row in rows if row["task"] == task} == files_of(
            real_data, task, "test-*.tsv"
        )
    assert len(rows) >= 7 + 7 + 17


def test_bucc_is_mined_before_and_after(base, real_data, shared):
    """A cut of dev: 150 gold pairs among 1,200 sentences of each side;
    the sample has no test set, which is said.
    """
    source, target, gold = (
        real_data / "xtreme" / "bucc2018" / f"zh-en.dev.{side}" for side in ("zh", "en", "gold")
    )
    pairs = [line.split("\t") for line in gold.read_text("utf-8").splitlines()[:150]]
    folder = shared / "bucc" / "bucc2018"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / gold.name).write_text("".join("\t".join(pair) + "\n" for pair in pairs), "utf-8")
    for path, wanted in ((source, {pair[0] for pair in pairs}), (target, {pair[1] for pair in pairs})):
        lines = path.read_text("utf-8").splitlines()
        kept = [n for n, line in enumerate(lines) if line.split("\t")[0] in wanted]
        others = [n for n in range(len(lines)) if n not in set(kept)][: 1200 - len(kept)]
        (folder / path.name).write_text("".join(lines[n] + "\n" for n in sorted(kept + others)), "utf-8")
    asked = {"model": base, "data": str(folder.parent), "target": "bucc2018", "layer": 1}
    found = [
        mlflow_xfer.evaluate(**asked),
        mlflow_xfer.transfer(**asked, task_file=str(shared / "tasks.yaml"), intermediate="sick", **STEPS),
    ]
    for result in found:
        [row] = table(result.run_id)
        assert row["split"] == "validation" and row["language"] == "zh" and 0 <= row["score"] < 100
        assert (row["component_threshold"] > 0) == (
            row["score"] > 0
        )  # as XTREME: 0 where no threshold finds a pair
        assert not any(name.startswith("xtreme/") for name in result.metrics)
    assert "selected/bucc2018" in found[1].metrics


def test_tatoeba_before_and_after(base, real_data, shared):
    before = mlflow_xfer.evaluate(model=base, data=str(real_data / "xtreme"), target="tatoeba")
    rows = table(before.run_id)
    assert len(rows) >= 16 and all(row["n"] == 1000 and row["chance"] == pytest.approx(0.1) for row in rows)
    after = mlflow_xfer.transfer(
        model=base,
        data=str(real_data / "xtreme"),
        task_file=str(shared / "tasks.yaml"),
        intermediate="sick",
        target="tatoeba",
        languages="de,en",
        **STEPS,
    )
    assert [row["language"] for row in table(after.run_id)] == ["de"]


def test_choices_after_copa_and_cosmosqa(base, real_data, shared):
    found = mlflow_xfer.transfer(
        model=base,
        data=str(real_data / "xtreme"),
        task_file=str(shared / "tasks.yaml"),
        intermediate="copa,cosmosqa-files",
        target="xcopa",
        **STEPS,
    )
    rows = table(found.run_id)
    assert (
        {row["language"] for row in rows}
        == files_of(real_data, "xcopa", "test-*.jsonl") - {"en"}
        == {"id", "tr", "vi", "zh"}
    )
    assert all(row["n"] == 25 and row["chance"] == 50 for row in rows)


def test_questions_trained_on_tydiqa(base, real_data, shared):
    found = mlflow_xfer.transfer(
        model=base,
        data=str(real_data / "xtreme"),
        intermediate="none",
        target="xquad,mlqa,tydiqa",
        train_on="tydiqa",
        **STEPS,
    )
    rows = table(found.run_id)
    assert {
        task: len({row["language"] for row in rows if row["task"] == task})
        for task in ("xquad", "mlqa", "tydiqa")
    } == {"xquad": 10, "mlqa": 7, "tydiqa": 2}
    assert all(row["n"] == 25 and 0 <= row["score"] <= 100 for row in rows)


def test_rte_and_pubmedqa_as_intermediates(base, real_data, shared):
    found = mlflow_xfer.transfer(
        model=base,
        data=str(real_data / "xtreme"),
        task_file=str(shared / "tasks.yaml"),
        intermediate="rte-files,pubmedqa-files",
        target="pawsx",
        languages="en,de",
        **STEPS,
    )
    assert {row["language"] for row in table(found.run_id)} == {"en", "de"}


# -- the overlaps that the data's README warns of, as a plan shows them --------------------------------------
def overlaps(real_data, shared, **typed):
    plan = mlflow_xfer.plan(
        overlap=True,
        model="scratch:xlm-roberta:tiny",
        text="mini",
        data=str(real_data / "xtreme"),
        task_file=str(shared / "tasks.yaml"),
        **typed,
    )
    return {(found["training"], found["split"]): found["measured"] for found in plan.as_dict()["overlaps"]}


def test_grades_of_sick(base, real_data, shared):
    found = mlflow_xfer.transfer(
        model=base, data=str(real_data / "intermediate"), target="sick-relatedness", **STEPS
    )
    (row,) = table(found.run_id)
    assert row["metric"] == "pearson" and row["n"] == 25 and row["chance"] == row["majority"] == 0
    assert -100 <= row["low"] <= row["score"] <= row["high"] <= 100 and "component_spearman" in row


def test_mnli10k_holds_the_rows_that_select_for_xnli(base, real_data, shared):
    """All of them, less the twentieth that the task file keeps for mnli10k's own dev."""
    found = overlaps(real_data, shared, intermediate="mnli10k", target="xnli", languages="en,de")
    assert (
        1_000 < found["mnli10k", "validation"]["test_rows"] <= 1_071
        and found["mnli10k", "test"]["exact"] == 0
    )


def test_mnli10k_is_the_task_of_xnli(base, real_data, shared):
    """Its rows are XNLI's training and dev rows, under another name and in another format."""
    whole = shared / "whole.yaml"
    whole.write_text(
        (shared / "tasks.yaml").read_text().replace("    validation_fraction: 0.05\n", "", 1), "utf-8"
    )
    typed = {"model": "scratch:xlm-roberta:tiny", "text": "mini", "data": str(real_data / "xtreme")}
    plan = mlflow_xfer.plan(
        overlap=True,
        task_file=str(whole),
        intermediate="mnli10k",
        target="xnli,pawsx",
        languages="en",
        **typed,
    )
    (same,) = [one for one in plan.as_dict()["overlaps"] if one["split"] == "same task"]
    assert (same["training"], same["target"]) == ("mnli10k", "xnli")
    train, dev = (same["measured"][split] for split in ("train", "validation"))
    assert train["rows"] >= 0.99 * train["of"] and train["of"] == 9_000
    assert dev["rows"] >= 0.99 * dev["of"] and dev["of"] == 1_071


def test_tydiqa_before_a_target_trained_on_it(base, real_data, shared):
    """By rows too, where an entry of another name reads the same file."""
    folder = real_data / "xtreme"
    file = next((folder / "tydiqa").rglob("*.en.train.json"))
    other = shared / "other.yaml"
    other.write_text(
        f"tasks:\n  asked:\n    kind: span_qa\n    format: tydiqa\n    validation_fraction: 0.1\n"
        f"    files: {{train: {file}}}\n",
        "utf-8",
    )
    plan = mlflow_xfer.plan(
        overlap=True,
        model="scratch:xlm-roberta:tiny",
        text="mini",
        data=str(folder),
        task_file=str(other),
        intermediate="asked",
        target="xquad",
        train_on="tydiqa",
        languages="en",
    )
    (same,) = [one for one in plan.as_dict()["overlaps"] if one["split"] == "same task"]
    assert (same["training"], same["related"]) == ("asked", False)
    assert same["measured"]["train"]["rows"] > 0.8 * same["measured"]["train"]["of"]


def test_sick_and_panx_meet_their_own_test_sets(base, real_data, shared):
    sick = overlaps(real_data, shared, intermediate="none", target="sick")["sick", "test"]
    assert sick["exact"] >= 50
    panx = overlaps(real_data, shared, intermediate="none", target="panx", languages="en")["panx", "test"]
    assert panx["exact"] >= 7


def test_rows_seen_in_the_test_set_are_left_out_of_training(base, real_data, shared):
    from mlflow import MlflowClient

    found = mlflow_xfer.transfer(
        model=base,
        data=str(real_data / "xtreme"),
        task_file=str(shared / "tasks.yaml"),
        intermediate="none",
        target="sick",
        exclude_overlap="true",
        **STEPS,
    )
    trained = next(
        run
        for run in (MlflowClient().get_run(made) for made in found.made)
        if run.data.tags["xfer.phase"] == "target"
    )
    assert trained.data.metrics["train/excluded_rows"] >= 50

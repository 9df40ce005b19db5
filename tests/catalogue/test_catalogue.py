"""Every declared task: its entry is complete,
and it reads from a tiny copy of the hub's and of a folder's layout.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from pathlib import Path

import pytest
from datasets import Dataset
from hub_schemas import HUB, Config, features, rows
from step import step_and_score

from mlflow_xfer import languages
from mlflow_xfer.data import hub, sources
from mlflow_xfer.kinds.kind import KINDS
from mlflow_xfer.models.load import save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.tasks.catalogue import SUITES, TASKS
from mlflow_xfer.tasks.task import POOL, SPLITS, Hub, Task, codes, part_of
from mlflow_xfer.tasks.task_file import NAME

DECLARED = [task for task in TASKS if "mini" not in task.sources]
ON_HUB = [task for task in DECLARED if "hub" in task.sources]
COUNT = 100

ASKED = codes("""
xnli pawsx udpos panx xquad mlqa tydiqa bucc2018 tatoeba xcopa lareqa mewslix multichecklist
sib200 americasnli masakhaner afrixnli
anli-plus mnli qqp squad2 squad hellaswag ccg ccg-substitute cosmosqa commonsenseqa
snli qnli rte scitail wanli fever-nli socialiqa swag copa boolq race paws mrpc sst2
pubmedqa medmcqa medqa mednli bc5cdr ncbi-disease mantra-gsc casehold contractnli ledgar unfair-tos
terms-of-service xnli-translate-train pawsx-translate-train mlqa-translate-train multinerd xstorycloze
wikipedia cc100 glot500 madlad400
""")


def test_everything_asked_for_is_declared():
    assert set(ASKED) <= set(TASKS.names()) and len(DECLARED) == 67
    verified = [task.name for task in DECLARED if task.verified]
    print(
        f"{len(DECLARED)} tasks; columns verified: {len(verified)}; not verified: "
        f"{', '.join(sorted({t.name for t in DECLARED} - set(verified)))}"
    )
    assert len(verified) == 53


@pytest.mark.parametrize("task", DECLARED, ids=lambda task: task.name)
def test_entries_are_complete(task):
    assert NAME.fullmatch(task.name) and task.description and task.licence and task.citation and task.domain
    assert task.metric in (KINDS.get(task.kind).metrics or ("",)) or task.metric in ("bucc_f1", "map_at_20")
    assert set(task.languages + task.train_languages) <= set(languages.known())
    assert set(task.uses) <= {"intermediate", "target", "text"} and task.uses
    assert set(task.overlaps) <= set(TASKS.names())
    assert task.size or "intermediate" not in task.uses
    assert task.labels or task.kind not in ("classification", "tagging") or task.name == "ccg"
    for source in (s for found in task.sources.values() for s in found if isinstance(s, Hub)):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", source.path) and source.path in HUB


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_suites_name_declared_tasks_and_languages(suite):
    for name in suite.tasks:
        assert set(suite.languages.get(name, ())) <= set(TASKS.get(name).languages)
    assert set(suite.languages) <= set(suite.tasks)


def test_suites_have_the_published_sizes():
    def sizes(name):
        return {
            task: len(SUITES.get(name).languages.get(task, TASKS.get(task).languages))
            for task in SUITES.get(name).tasks
        }

    assert sizes("xtreme") == {
        "xnli": 15,
        "pawsx": 7,
        "udpos": 33,
        "panx": 40,
        "xquad": 11,
        "mlqa": 7,
        "tydiqa": 9,
        "bucc2018": 4,
        "tatoeba": 36,
    }
    assert sum(sizes("xtreme").values()) == 162
    assert sizes("xtreme-r") == {
        "xnli": 15,
        "xcopa": 11,
        "udpos": 38,
        "panx": 48,
        "xquad": 12,
        "mlqa": 7,
        "tydiqa": 9,
        "tatoeba": 41,
        "mewslix": 11,
        "lareqa": 11,
    }
    for name, count in (("xtreme", 40), ("xtreme-r", 50)):
        suite = SUITES.get(name)
        assert (
            len(
                {
                    code
                    for task in suite.tasks
                    for code in suite.languages.get(task, TASKS.get(task).languages)
                }
            )
            == count
        )


# -- the hub -------------------------------------------------------------------------------------------------
@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Write what a source reads of a data set, in the data set's own schema."""
    monkeypatch.setenv("XFER_HUB_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")

    def write(source: Hub, language: str) -> None:
        folder, name = tmp_path / "mirror" / source.path, hub.config_of(source, language)
        for config in HUB[source.path]:
            if re.fullmatch(re.escape(config.name).replace(r"\*", r"[\w-]+"), name):
                for split in config.splits:
                    _write_split(folder, config, name, split, source.codes.get(language, language))
        if not source.files:
            _write_readme(folder)

    return write


def _write_split(folder: Path, config: Config, name: str, split: str, language: str) -> None:
    path = folder / (config.file.replace("*", language) or f"{name or 'default'}/{split}.{config.form}")
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    made = rows(config, 2 * COUNT)
    if config.form == "parquet":
        Dataset.from_list(made, features=features(config)).to_parquet(path)
    else:
        text = "".join(json.dumps(row) + "\n" for row in made).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def _write_readme(folder: Path) -> None:
    """Configurations are folders and splits are files, as the hub's own conversions have them."""
    lines = ["---", "configs:"]
    for config in sorted(path for path in folder.iterdir() if path.is_dir()):
        lines += [f"- config_name: {config.name}", "  data_files:"]
        for path in sorted(config.iterdir()):
            lines += [f"  - split: {path.stem}", f"    path: {config.name}/{path.name}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


def some(spoken: tuple[str, ...]) -> list[str]:
    """The first and the last language, and English."""
    return list(dict.fromkeys([*spoken[:1], *spoken[-1:], *(["en"] if "en" in spoken else [])]))


def check_rows(task: Task, found: list[dict]) -> None:
    assert len({row["id"] for row in found}) == len(found) > 0
    for row in found:
        match task.kind:
            case "classification":
                assert row["label"] in task.labels and row["text_a"]
            case "tagging":
                assert len(row["words"]) == len(row["tags"]) and set(row["tags"]) <= set(task.labels)
            case "multiple_choice":
                assert 0 <= row["label"] < len(row["choices"]) and row["context"] + row["question"]
            case "span_qa" | "span_cases":
                for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
                    assert row["context"][start : start + len(text)] == text
            case "retrieval":
                assert row["source"] or row["target"]
            case "regression":
                assert math.isfinite(row["label"]) and row["text_a"]
            case _:
                assert row["text"]


seen: dict[str, int] = {}
scored: dict[str, list[float]] = {}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """A tiny encoder and a tiny decoder."""
    words = [
        f"{name} {n}"
        for name in (
            "premise hypothesis context question text",
            "choice sentence tokens answer",
            "the is of a b",
        )
        for n in range(40)
    ]
    found = {}
    for architecture in ("xlm-roberta", "llama"):
        tokenizer = train_tokenizer(words, 200, architecture)
        found[architecture] = save(
            build_scratch(architecture, "tiny", tokenizer, 0),
            tokenizer,
            tmp_path_factory.mktemp(architecture),
        )
    return found


@pytest.mark.parametrize("task", ON_HUB, ids=lambda task: task.name)
def test_reads_trains_and_scores_from_the_hubs_own_schema(task, mirror, models):
    labels, splits = set(), {}
    for split in (*SPLITS, POOL):
        for language in some(sources.available(task, split, "hub")):
            for source in task.sources["hub"]:
                if part_of(source, split, language):
                    for one in (source, *source.also, *source.questions):
                        mirror(one, language)
            rows = sources.locate(task, split, language, "hub")
            assert rows.resolved and rows.identity.startswith("hub:")
            assert sources.check(task, rows) == []
            splits[split, language] = sources.read(task, rows)
            found = splits[split, language].to_list()
            check_rows(task, found)
            labels |= {row.get("label") for row in found}
            seen[task.name] = seen.get(task.name, 0) + 1
    assert seen[task.name] >= 1
    if task.kind == "classification":
        assert labels == set(task.labels)  # every label of the data set arrives under its name
    scored[task.name] = [step_and_score(folder, task, *chosen(splits)) for folder in models.values()]
    wanted = "target" in task.uses or "validation" in {split for split, _ in splits}
    assert all(
        value is None if not wanted or task.kind == "language_model" else -100 <= value <= 100
        for value in scored[task.name]
    )


def chosen(splits: dict) -> tuple:
    """Training rows, a few rows to score, their language, the pool."""
    train = next((found for (split, _), found in splits.items() if split == "train"), None)
    tests = [
        (found, language)
        for name in ("test", "validation")
        for (split, language), found in splits.items()
        if split == name
    ]
    test, language = tests[0] if tests else (None, "en")
    pool = next((found for (split, _), found in splits.items() if split == POOL), None)
    few = test if test is None or "source" in test.column_names else test.select(range(min(12, len(test))))
    return train, few, language, pool


def test_every_task_of_the_hub_was_read_trained_and_scored():
    assert len(ON_HUB) == 62
    if len(seen) == len(ON_HUB):  # else this process had a part of the tests
        assert set(seen) == set(scored) == {task.name for task in ON_HUB}
        verified = {task.name for task in ON_HUB if task.verified}
        print(
            f"{len(seen)} tasks of the hub were read in {sum(seen.values())} splits and languages, with one "
            "training step and a score for an encoder and a decoder"
        )
        print(f"columns verified: {len(verified)}; not verified: {', '.join(sorted(set(seen) - verified))}")
        assert sum(None not in values for values in scored.values()) >= 50


# -- what single data sets need ------------------------------------------------------------------------------
def read(task: Task, split: str, language: str = "en") -> list[dict]:
    return sources.read(task, sources.locate(task, split, language, "hub")).to_list()


def one(mirror, name: str, split: str, language: str = "en") -> list[dict]:
    task = TASKS.get(name)
    for source in task.sources["hub"]:
        for each in (source, *source.also, *source.questions):
            mirror(each, language)
    return read(task, split, language)


def test_anli_plus_is_three_data_sets_with_one_label_set(mirror):
    found = one(mirror, "anli-plus", "train")
    assert len(found) == 3 * 200 + 200 + 150 and {row["label"] for row in found} == {
        "entailment",
        "neutral",
        "contradiction",
    }
    assert sources.locate(TASKS.get("anli-plus"), "train", "en", "hub").identity.count("+hub:") == 2


def test_snli_without_gold_label_is_left_out(mirror):
    assert len(one(mirror, "snli", "train")) == 150


def test_fever_reads_the_evidence_first(mirror):
    assert one(mirror, "fever-nli", "train")[0]["text_a"].startswith("hypothesis")


def test_only_english_questions_train_tydiqa(mirror):
    train, dev = one(mirror, "tydiqa", "train"), one(mirror, "tydiqa", "validation")
    assert (
        all(row["original_id"].startswith("english-") for row in train + dev) and len(train) + len(dev) == 67
    )
    assert not {row["context"] for row in train} & {row["context"] for row in dev}
    assert all(row["original_id"].startswith("telugu-") for row in one(mirror, "tydiqa", "test", "te"))


def test_xquad_never_selects_on_squads_dev_set(mirror):
    task = TASKS.get("xquad")
    one(mirror, "xquad", "train")
    assert all(
        ":train" in sources.locate(task, split, "en", "hub").identity for split in ("train", "validation")
    )


def test_dependency_labels_point_to_their_heads(mirror):
    row = one(mirror, "ccg-substitute", "train")[0]
    assert row["words"] == ["She", "does", "n't", "sing"] and row["tags"] == [
        "nsubj>",
        "aux>",
        "advmod>",
        "root",
    ]


def test_labels_by_position_and_by_name(mirror):
    assert [row["label"] for row in one(mirror, "commonsenseqa", "train")[:3]] == [0, 4, 1]
    assert [row["label"] for row in one(mirror, "socialiqa", "train")[:3]] == [0, 2, 1]
    assert [row["label"] for row in one(mirror, "xstorycloze", "test", "zh")[:2]] == [0, 1]
    assert [row["label"] for row in one(mirror, "unfair-tos", "train")[:2]] == ["unfair", "fair"]
    assert one(mirror, "pubmedqa", "train")[0]["text_b"].startswith("one ")


def test_xcopa_asks_what_copa_asks(mirror):
    """XCOPA's own field says effect in every row here, as it does in Thai."""
    task = TASKS.get("xcopa")
    found = one(mirror, "xcopa", "test", "th")
    assert [row["question"] for row in found[:2]] == ["What was the cause?", "What was the effect?"]
    assert [row["question"] for row in one(mirror, "copa", "train")[:2]] == [
        "What was the cause?",
        "What was the effect?",
    ]
    assert "aps/super_glue" in sources.locate(task, "test", "th", "hub").identity


def test_unanswerable_questions_have_no_answers(mirror):
    assert [row["answers"]["text"] for row in one(mirror, "squad2", "train")[:2]] == [[], ["context 1"]]


# -- folders -------------------------------------------------------------------------------------------------
OWN = {
    "classification": {"text_a": "a", "text_b": "b"},
    "tagging": {"words": ["a", "b"]},
    "multiple_choice": {"context": "c", "question": "q", "choices": ["a", "b"], "label": 1},
    "span_qa": {"context": "a b", "question": "q", "answers": {"text": ["b"], "answer_start": [2]}},
    "span_cases": {"id": "t/1/1", "context": "a b", "question": "q", "answers": "b"},
    "retrieval": {"source": "s", "target": "t"},
    "regression": {"text_a": "a", "text_b": "b", "label": 2.5},
    "language_model": {"text": "t"},
}


@pytest.mark.parametrize("task", DECLARED, ids=lambda task: task.name)
def test_reads_from_a_folder_in_the_kinds_own_columns(task, tmp_path):
    language = (task.train_languages or task.languages)[0]
    labels = task.labels or ("N", "S/NP")
    row = OWN[task.kind] | (
        {"label": labels[0]}
        if task.kind == "classification"
        else {"tags": [labels[0], labels[-1]]}
        if task.kind == "tagging"
        else {}
    )
    if task.name == "xcopa":  # its benchmark's layout has the same file names
        row = {"premise": "c", "choice1": "a", "choice2": "b", "question": "cause", "idx": 0, "label": 1}
    path = tmp_path / "download" / task.name / f"train-{language}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(row) + "\n")
    if task.name == "ccg":
        (path.parent / "tags_to_id.json").write_text('{"N": 0, "S/NP": 1}')
        task = sources.with_labels(task, str(tmp_path / "download"))
        assert task.labels == ("N", "S/NP")
    check_rows(
        task,
        sources.read(task, sources.locate(task, "train", language, str(tmp_path / "download"))).to_list(),
    )

"""The columns of the hub's data sets, written down independently of the declarations that read them.

A column is a text (``T``), a number (``N``), one of some values (a tuple), a list of these (a list), a
``ClassLabel`` (``L``), or a function from the row's number to a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from datasets import ClassLabel, Dataset, Features, Sequence

T, N = "text", "number"


class L(tuple):
    """Names of a ClassLabel, in the data set's order."""


NLI = L(("entailment", "neutral", "contradiction"))
TWO = L(("entailment", "not_entailment"))
TAGS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
UPOS = L(TAGS.split())
NER = L(("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"))
PAIR = {"premise": T, "hypothesis": T, "label": NLI}
BITEXT = {"source_sentence": T, "target_sentence": T, "source_lang": T, "target_lang": T}


def _grade(number: int) -> float:
    return number % 11 / 2


def _answers(number: int) -> dict:
    return {"text": [f"context {number}"], "answer_start": [0]}


def _no_answers(number: int) -> dict:
    return _answers(number) if number % 2 else {"text": [], "answer_start": []}


def _context(language: str, number: int) -> dict:
    return {
        "language": language,
        "text": f"We saw {number} there.",
        "sentence_spans": [[0, 9 + len(str(number)) + 5]],
    }


def _mention(number: int) -> dict:
    return {
        "example_id": f"m{number}",
        "entity_id": f"Q{number}",
        "mention_span": {"start": 7, "end": 7 + len(str(number)), "text": str(number)},
    }


SQUAD = {"id": T, "title": T, "context": T, "question": T, "answers": _answers}
CHOICES = {f"ending{n}": T for n in range(4)}


@dataclass(frozen=True)
class Config:
    """One configuration: its columns, and its splits. ``name`` may hold ``*`` for a language's name there."""

    name: str
    columns: dict[str, Any]
    splits: tuple[str, ...] = ("train", "validation", "test")
    form: str = "parquet"
    file: str = ""


TRAIN_DEV = ("train", "validation")
HELD_OUT = ("validation", "test")
HUB: dict[str, tuple[Config, ...]] = {
    "nyu-mll/glue": (
        Config("mnli", PAIR | {"idx": N}, ("train", "validation_matched", "validation_mismatched")),
        Config(
            "qqp",
            {"question1": T, "question2": T, "label": L(("not_duplicate", "duplicate")), "idx": N},
            TRAIN_DEV,
        ),
        Config("qnli", {"question": T, "sentence": T, "label": TWO, "idx": N}, TRAIN_DEV),
        Config("rte", {"sentence1": T, "sentence2": T, "label": TWO, "idx": N}, TRAIN_DEV),
        Config(
            "mrpc", {"sentence1": T, "sentence2": T, "label": L(("not_equivalent", "equivalent")), "idx": N}
        ),
        Config("sst2", {"sentence": T, "label": L(("negative", "positive")), "idx": N}, TRAIN_DEV),
        Config("stsb", {"sentence1": T, "sentence2": T, "label": _grade, "idx": N}, TRAIN_DEV),
        Config("cola", {"sentence": T, "label": L(("unacceptable", "acceptable")), "idx": N}, TRAIN_DEV),
    ),
    "stanfordnlp/snli": (Config("plain_text", PAIR | {"label": lambda n: n % 4 - 1}),),
    "facebook/anli": (
        Config(
            "plain_text",
            {"uid": T, "reason": T} | PAIR,
            tuple(f"{s}_r{r}" for s in ("train", "dev", "test") for r in (1, 2, 3)),
        ),
    ),
    "allenai/scitail": (
        Config(
            "snli_format",
            {
                "gold_label": ("entailment", "neutral"),
                "sentence1": T,
                "sentence2": T,
                "annotator_labels": [T],
            },
        ),
    ),
    "alisawuffles/WANLI": (
        Config(
            "",
            {"id": N, "premise": T, "hypothesis": T, "gold": tuple(NLI), "genre": T, "pairID": T},
            ("train", "test"),
            "jsonl",
        ),
    ),
    "pietrolesci/nli_fever": (
        Config("", {"cid": T, "fid": T, "premise": T, "hypothesis": T, "label": (0, 1, 2)}, ("train", "dev")),
    ),
    "facebook/xnli": (Config("*", PAIR),),
    "nala-cub/americas_nli": (Config("*", PAIR, HELD_OUT),),
    "masakhane/afrixnli": (Config("*", PAIR, HELD_OUT),),
    "google/xtreme": (
        Config(
            "XNLI",
            {
                "language": lambda n: ("ar", "en", "zh")[n % 3],
                "sentence1": T,
                "sentence2": T,
                "gold_label": lambda n: NLI[n // 3 % 3],
            },
            HELD_OUT,
        ),
        Config("PAWS-X.*", {"sentence1": T, "sentence2": T, "label": ("0", "1")}),
        Config("udpos.*", {"tokens": [T], "pos_tags": [UPOS]}),
        Config("PAN-X.*", {"tokens": [T], "ner_tags": [NER], "langs": [T]}),
        Config("MLQA.*.*", SQUAD, HELD_OUT),
        Config(
            "tydiqa", SQUAD | {"id": lambda n: f"{('arabic', 'english', 'telugu')[n % 3]}-{n}"}, TRAIN_DEV
        ),
        Config("tatoeba.*", BITEXT, ("validation",)),
        Config("bucc18.*", BITEXT, HELD_OUT),
    ),
    "google-research-datasets/paws": (
        Config("labeled_final", {"id": N, "sentence1": T, "sentence2": T, "label": L("01")}),
    ),
    "google-research-datasets/paws-x": (
        Config("*", {"id": N, "sentence1": T, "sentence2": T, "label": L("01")}),
    ),
    "aps/super_glue": (
        Config("boolq", {"question": T, "passage": T, "idx": N, "label": L(("False", "True"))}, TRAIN_DEV),
        Config(
            "copa",
            {
                "premise": T,
                "choice1": T,
                "choice2": T,
                "question": ("cause", "effect"),
                "idx": N,
                "label": L(("choice1", "choice2")),
            },
        ),
    ),
    "Davlan/sib200": (
        Config(
            "*",
            {
                "index_id": N,
                "category": (
                    "geography",
                    "science/technology",
                    "health",
                    "travel",
                    "politics",
                    "sports",
                    "entertainment",
                ),
                "text": T,
            },
        ),
    ),
    "Rowan/hellaswag": (
        Config(
            "",
            {
                "ind": N,
                "activity_label": T,
                "ctx_a": T,
                "ctx_b": T,
                "ctx": T,
                "endings": lambda n: list("abcd"),
                "label": ("0", "3", "1"),
            },
            TRAIN_DEV,
        ),
    ),
    "allenai/swag": (
        Config(
            "regular", {"startphrase": T, "sent1": T, "sent2": T, "label": L("0123")} | CHOICES, TRAIN_DEV
        ),
    ),
    "allenai/cosmos_qa": (
        Config(
            "",
            {"id": T, "context": T, "question": T, "label": (0, 3, 1)} | {f"answer{n}": T for n in range(4)},
            TRAIN_DEV,
        ),
    ),
    "tau/commonsense_qa": (
        Config(
            "",
            {
                "id": T,
                "question": T,
                "question_concept": T,
                "choices": lambda n: {"label": list("ABCDE"), "text": list("vwxyz")},
                "answerKey": ("A", "E", "B"),
            },
            TRAIN_DEV,
        ),
    ),
    "lighteval/siqa": (
        Config(
            "",
            {"context": T, "question": T, "answerA": T, "answerB": T, "answerC": T, "label": ("1", "3", "2")},
            TRAIN_DEV,
        ),
    ),
    "ehovy/race": (
        Config(
            "all",
            {
                "example_id": T,
                "article": T,
                "answer": ("A", "D", "B"),
                "question": T,
                "options": lambda n: list("wxyz"),
            },
        ),
    ),
    "cambridgeltl/xcopa": (
        Config(
            "*",
            {
                "premise": T,
                "choice1": T,
                "choice2": T,
                "question": ("effect", "effect"),
                "label": (0, 1),
                "idx": N,
                "changed": lambda n: False,
            },
            HELD_OUT,
        ),
    ),
    "juletxara/xstory_cloze": (
        Config(
            "*",
            {
                "story_id": T,
                **{f"input_sentence_{n}": T for n in range(1, 5)},
                "sentence_quiz1": T,
                "sentence_quiz2": T,
                "answer_right_ending": (1, 2),
            },
            ("train", "eval"),
        ),
    ),
    "rajpurkar/squad": (Config("plain_text", SQUAD, TRAIN_DEV),),
    "rajpurkar/squad_v2": (Config("squad_v2", SQUAD | {"answers": _no_answers}, TRAIN_DEV),),
    "google/xquad": (Config("xquad.*", SQUAD, ("validation",)),),
    "facebook/mlqa": (Config("mlqa-translate-train.*", SQUAD, TRAIN_DEV),),
    "izhx/xtreme-r-udpos": (Config("*", {"tokens": [T], "pos_tags": [UPOS]}, ("test",)),),
    "unimelb-nlp/wikiann": (Config("*", {"tokens": [T], "ner_tags": [NER], "langs": [T], "spans": [T]}),),
    "universal-dependencies/universal_dependencies": (
        Config(
            "en_ewt",
            {
                "idx": T,
                "tokens": lambda n: ["She", "does", "n't", "doesn't", "sing"],
                "head": lambda n: ["5", "5", "5", "None", "0"],
                "deprel": lambda n: ["nsubj", "aux", "advmod", "_", "root"],
            },
        ),
    ),
    "masakhane/masakhaner2": (
        Config("*", {"id": T, "tokens": [T], "ner_tags": [L((*NER, "B-DATE", "I-DATE"))]}),
    ),
    "Babelscape/multinerd": (
        Config(
            "",
            {"tokens": [T], "ner_tags": [(0, 2, 30)], "lang": T},
            ("train",),
            "jsonl",
            "train/train_*.jsonl",
        ),
        Config(
            "",
            {"tokens": [T], "ner_tags": [(0, 2, 30)], "lang": T},
            ("validation",),
            "jsonl",
            "val/val_*.jsonl",
        ),
        Config(
            "", {"tokens": [T], "ner_tags": [(0, 2, 30)], "lang": T}, ("test",), "jsonl", "test/test_*.jsonl"
        ),
    ),
    "izhx/mewsli-x": (
        Config(
            "wikipedia_pairs",
            {
                "contextual_mention": lambda n: {"context": _context("en", n), "mention": _mention(n)},
                "entity": lambda n: {"entity_id": f"Q{n}", "description": f"entity {n}"},
            },
            TRAIN_DEV,
        ),
        *(
            Config(
                code,
                {"context": lambda n, code=code: _context(code, n), "mentions": lambda n: [_mention(n)]},
                HELD_OUT,
            )
            for code in ["ar", "de", "en", "es", "fa", "ja", "pl", "ro", "ta", "tr", "uk"]
        ),
        Config("candidate_entities", {"entity_id": lambda n: f"Q{n}", "description": T}, ("test",)),
    ),
    "mteb/tatoeba-bitext-mining": (Config("*-eng", {"sentence1": T, "sentence2": T}, ("test",)),),
    "qiaojin/PubMedQA": tuple(
        Config(
            name,
            {
                "pubid": N,
                "question": T,
                "context": lambda n: {"contexts": [f"one {n}", "two"], "labels": ["A", "B"], "meshes": []},
                "long_answer": T,
                "final_decision": answers,
            },
            ("train",),
        )
        for name, answers in (("pqa_labeled", ("yes", "no", "maybe")), ("pqa_artificial", ("yes", "no")))
    ),
    "openlifescienceai/medmcqa": (
        Config(
            "",
            {
                "id": T,
                "question": T,
                "opa": T,
                "opb": T,
                "opc": T,
                "opd": T,
                "cop": L("abcd"),
                "exp": T,
                "subject_name": T,
            },
            TRAIN_DEV,
        ),
    ),
    "GBaker/MedQA-USMLE-4-options-hf": (
        Config("", {"id": T, "sent1": T, "sent2": lambda n: "", "label": (0, 3)} | CHOICES),
    ),
    "tner/bc5cdr": (Config("bc5cdr", {"tokens": [T], "tags": [(0, 1, 4)]}),),
    "ncbi/ncbi_disease": (
        Config("ncbi_disease", {"id": T, "tokens": [T], "ner_tags": [L(("O", "B-Disease", "I-Disease"))]}),
    ),
    "joelito/lextreme": (
        Config(
            "online_terms_of_service_unfairness_levels",
            {"language": lambda n: ("de", "en", "it", "pl")[n // 4 % 4], "input": T, "label": (0, 1, 2, 3)},
        ),
    ),
    "coastalcph/lex_glue": (
        Config("case_hold", {"context": T, "endings": lambda n: list("abcde"), "label": L("01234")}),
        Config("ledgar", {"text": T, "label": L(tuple(f"Provision {n}" for n in range(100)))}),
        Config("unfair_tos", {"text": T, "labels": lambda n: [3, 5] if n % 3 == 0 else []}),
    ),
    "kiddothe2b/contract-nli": (
        Config(
            "contractnli_a",
            {"premise": T, "hypothesis": T, "label": L(("contradiction", "entailment", "neutral"))},
        ),
    ),
    "wikimedia/wikipedia": (Config("20231101.*", {"id": T, "url": T, "title": T, "text": T}, ("train",)),),
    "statmt/cc100": (Config("lang=*", {"id": T, "text": T}, ("train",)),),
    "cis-lmu/Glot500": (Config("*", {"text": T, "dataset": T}, ("train",)),),
    "allenai/MADLAD-400": (Config("", {"text": T}, ("train",), "jsonl", "data/*/*_clean_0000.jsonl.gz"),),
}


def value(column: Any, name: str, number: int) -> Any:
    """The value of a column in row ``number``."""
    if column == T:
        return f"{name} {number}"
    if column == N:
        return number
    if isinstance(column, list):
        return [value(column[0], name, number + n) for n in range(3)]
    if isinstance(column, L):
        return number % len(column)
    if isinstance(column, tuple):
        return column[number % len(column)]
    return column(number)


def rows(config: Config, count: int) -> list[dict]:
    return [
        {name: value(column, name, number) for name, column in config.columns.items()}
        for number in range(count)
    ]


def features(config: Config) -> Features:
    """The types of the columns: those the values show, and the label names."""
    found = Dataset.from_list(rows(config, 3)).features
    for name, column in config.columns.items():
        inner = column[0] if isinstance(column, list) else column
        if isinstance(inner, L):
            label = ClassLabel(names=list(inner))
            found[name] = Sequence(label) if isinstance(column, list) else label
    return found

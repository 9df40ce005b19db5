"""Biomedical tasks."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.nli import LABELS as NLI_LABELS
from mlflow_xfer.tasks.task import Files, Hub, Part, Task

RECIPE = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=256)
LONG = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=512)
PUBMEDQA = {"text_a": "question", "text_b": "context.contexts", "label": "final_decision", "id": "pubid"}
ANSWERS = ("yes", "no", "maybe")
CHEMICALS = ("O", "B-Chemical", "B-Disease", "I-Disease", "I-Chemical")
MANTRA = (
    "O",
    *(
        f"{place}-{name}"
        for name in ("ANAT", "CHEM", "DEVI", "DISO", "GEOG", "LIVB", "OBJC", "PHEN", "PHYS", "PROC")
        for place in "BI"
    ),
)
DISEASES = ("O", "B-Disease", "I-Disease")


def _biomedical(name: str, kind: str, description: str, **more: Any) -> Task:
    more = {"metric": "accuracy", "languages": ("en",), "uses": ("intermediate",), "recipe": RECIPE} | more
    return Task(name=name, kind=kind, domain="biomedical", description=description, **more)


TASKS = (
    _biomedical(
        "pubmedqa",
        "classification",
        (
            "does the abstract answer its title's question with yes, no or maybe? 1,000 expert rows; the "
            "official test half needs its list of ids (folder, task file)"
        ),
        labels=ANSWERS,
        recipe=LONG,
        sources={
            "hub": (
                Hub(
                    "qiaojin/PubMedQA",
                    config="pqa_labeled",
                    splits={
                        "train": Part(("train",), share=(0.1, 1.0)),
                        "validation": Part(("train",), share=(0.0, 0.1)),
                    },
                    columns=PUBMEDQA,
                ),
            ),
            "folder": (
                Files(
                    {
                        "train": Part(
                            ("pubmedqa/ori_pqal.json",),
                            exclude_ids="pubmedqa/test_ground_truth.json",
                            share=(0.1, 1.0),
                        ),
                        "validation": Part(
                            ("pubmedqa/ori_pqal.json",),
                            exclude_ids="pubmedqa/test_ground_truth.json",
                            share=(0.0, 0.1),
                        ),
                        "test": Part(("pubmedqa/ori_pqal.json",), ids="pubmedqa/test_ground_truth.json"),
                    },
                    format="json",
                    columns={"text_a": "QUESTION", "text_b": "CONTEXTS", "label": "final_decision"},
                    languages={"train": ("en",)},
                ),
            ),
        },
        skills=("inference", "reading"),
        licence="MIT",
        citation="Jin et al. 2019",
        size=1_000,
        verified=True,
    ),
    _biomedical(
        "pubmedqa-artificial",
        "classification",
        "PubMedQA with automatic labels; 1 % of the rows serve as validation",
        labels=("yes", "no"),
        recipe=LONG,
        sources={
            "hub": (
                Hub(
                    "qiaojin/PubMedQA",
                    config="pqa_artificial",
                    splits={
                        "train": Part(("train",), share=(0.01, 1.0)),
                        "validation": Part(("train",), share=(0.0, 0.01)),
                    },
                    columns=PUBMEDQA,
                ),
            )
        },
        skills=("inference", "reading"),
        licence="MIT",
        citation="Jin et al. 2019",
        size=211_269,
        verified=True,
    ),
    _biomedical(
        "medmcqa",
        "multiple_choice",
        "entrance exams of Indian medical schools",
        sources={
            "hub": (
                Hub(
                    "openlifescienceai/medmcqa",
                    splits={"train": "train", "validation": "validation"},
                    columns={"choices": ("opa", "opb", "opc", "opd"), "label": "cop"},
                ),
            )
        },
        skills=("knowledge",),
        licence="Apache 2.0",
        citation="Pal et al. 2022",
        size=182_822,
        verified=True,
    ),
    _biomedical(
        "medqa",
        "multiple_choice",
        "US medical licensing exams, four options",
        sources={
            "hub": (
                Hub(
                    "GBaker/MedQA-USMLE-4-options-hf",
                    columns={"context": "sent1", "choices": ("ending0", "ending1", "ending2", "ending3")},
                ),
            )
        },
        skills=("knowledge",),
        licence="CC BY-SA 4.0",
        citation="Jin et al. 2021",
        size=10_178,
        verified=True,
    ),
    _biomedical(
        "mednli",
        "classification",
        "inference on clinical notes (credentialed: PhysioNet); local files",
        labels=NLI_LABELS,
        sources={
            "folder": (
                Files(
                    {
                        split: f"mednli/mli_{name}_v1.jsonl"
                        for split, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
                    },
                    format="jsonl",
                    columns={
                        "text_a": "sentence1",
                        "text_b": "sentence2",
                        "label": "gold_label",
                        "id": "pairID",
                    },
                ),
            )
        },
        skills=("inference",),
        licence="PhysioNet Credentialed Health Data",
        citation="Romanov and Shivade 2018",
        size=11_232,
    ),
    _biomedical(
        "bc5cdr",
        "tagging",
        "chemicals and diseases in PubMed abstracts",
        metric="entity_f1",
        labels=CHEMICALS,
        sources={
            "hub": (
                Hub(
                    "tner/bc5cdr",
                    config="bc5cdr",
                    revision="refs/convert/parquet",
                    columns={"words": "tokens"},
                    labels=CHEMICALS,
                ),
            )
        },
        skills=("entities",),
        licence="public domain",
        citation="Li et al. 2016",
        size=5_228,
    ),
    _biomedical(
        "ncbi-disease",
        "tagging",
        "diseases in PubMed abstracts",
        metric="entity_f1",
        labels=DISEASES,
        sources={
            "hub": (
                Hub(
                    "ncbi/ncbi_disease",
                    config="ncbi_disease",
                    revision="refs/convert/parquet",
                    columns={"words": "tokens", "tags": "ner_tags"},
                    labels=DISEASES,
                ),
            )
        },
        skills=("entities",),
        licence="public domain",
        citation="Dogan et al. 2014",
        size=5_433,
        verified=True,
    ),
    _biomedical(
        "mantra-gsc",
        "tagging",
        (
            "biomedical concepts in titles of Medline in five languages (Mantra); local files, made from "
            "DrBenchmark/MANTRAGSC with the names of its tags, whose numbers differ between its languages"
        ),
        metric="entity_f1",
        labels=MANTRA,
        languages=("de", "en", "es", "fr", "nl"),
        uses=("target",),
        recipe=RECIPE.model_copy(update={"num_train_epochs": 20.0}),
        sources={
            "folder": (
                Files(
                    {
                        split: f"mantra/{{language}}-{split}.jsonl"
                        for split in ("train", "validation", "test")
                    },
                    format="jsonl",
                    columns={"words": "tokens", "tags": "ner_tags"},
                    languages={"train": ("en",), "validation": ("en",)},
                ),
            )
        },
        skills=("entities",),
        licence="GPL 3.0",
        citation="Kors et al. 2015",
    ),
)

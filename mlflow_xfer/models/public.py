"""What the makers of public checkpoints trained them on besides raw text.

A target of such data is no new task to the model: its cells carry ``base-seen``. The words are those of
:data:`mlflow_xfer.tasks.seen.ALIASES`, names of tasks or their families. Names of a model are matched as on
the hub; of a folder its own name is matched with what stands after the slash.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePath

BITEXT, NLI, QA, PARAPHRASE, SQUAD = "bitext", "nli", "qa", "paraphrase", "squad"
NOTHING: tuple[str, ...] = ()

CHECKPOINTS: Mapping[str, tuple[str, ...]] = {
    # raw text alone
    "google-bert/bert-base-multilingual-*": NOTHING,
    "bert-base-multilingual-*": NOTHING,
    "FacebookAI/xlm-roberta-base": NOTHING,
    "FacebookAI/xlm-roberta-large": NOTHING,
    "xlm-roberta-base": NOTHING,
    "xlm-roberta-large": NOTHING,
    "facebook/xlm-roberta-xl": NOTHING,
    "facebook/xlm-roberta-xxl": NOTHING,
    "facebook/xlm-v-base": NOTHING,
    "microsoft/mdeberta-v3-base": NOTHING,
    "google/rembert": NOTHING,
    "google/mt5-*": NOTHING,
    "google/canine-*": NOTHING,
    "jhu-clsp/mmBERT-*": NOTHING,
    "EuroBERT/EuroBERT-*": NOTHING,
    "cis-lmu/glot500-base": NOTHING,
    "Davlan/afro-xlmr-*": NOTHING,
    "answerdotai/ModernBERT-*": NOTHING,
    "HuggingFaceTB/SmolLM2-*M": NOTHING,
    "facebook/xglm-*": NOTHING,
    "bigscience/bloom-*": NOTHING,
    # translations
    "sentence-transformers/LaBSE": (BITEXT,),
    "setu4993/LaBSE": (BITEXT,),
    "microsoft/infoxlm-*": (BITEXT,),
    "sentence-transformers/use-cmlm-multilingual": (BITEXT, NLI),
    # sentence encoders: 2402.05672, tables 1 and 2; 2402.03216; cards
    "intfloat/multilingual-e5-*": (BITEXT, NLI, SQUAD, "qqp"),
    "BAAI/bge-m3": (BITEXT, NLI, SQUAD),
    "sentence-transformers/paraphrase-multilingual-*": (BITEXT, NLI, PARAPHRASE),
    "sentence-transformers/distiluse-base-multilingual-cased-*": (BITEXT, NLI),
    "sentence-transformers/stsb-xlm-r-multilingual": (BITEXT, NLI, "stsb"),
    # one task
    "joeddav/xlm-roberta-large-xnli": (NLI,),
    "MoritzLaurer/*DeBERTa*nli*": (NLI,),
    "deepset/xlm-roberta-*-squad2": (SQUAD,),
    "Davlan/*ner*": ("entities",),
    # instructions made from many tasks: 2211.01786
    "bigscience/bloomz*": (BITEXT, QA, PARAPHRASE),
    "bigscience/mt0-*": (BITEXT, QA, PARAPHRASE),
}
"""By name, with ``*`` for anything."""


def seen_by(model: str) -> tuple[str, ...] | None:
    """What the makers of ``model``, a hub id or a folder, trained it on; None where that is not known."""
    folder = PurePath(model).name
    for name, seen in CHECKPOINTS.items():
        if fnmatchcase(model, name) or fnmatchcase(folder, name.rpartition("/")[2]):
            return seen
    return None

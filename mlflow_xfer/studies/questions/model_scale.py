"""Do intermediate tasks, in English or in many languages, help more or less as the model grows?

At mini five encoders that differ in width alone, each pre-trained once over the same text with the same
tokenizer, so with equal tokens and equal fertility. The rate of each size stands in a table that was written
down before (mini's own, by the square root of the width) and is not tuned. ``effort=registered`` adds the
view at equal FLOPs: 6 · parameters · tokens is that of one pass of the smallest size but one.

Decoders are not here: a gate asks for parts of speech and ``choice`` at least 10 points over a random model.
A decoder of mini's size on mini's text passes the first (49.2 against 15.8) and not the second (attribute →
choice −3.3), see ``docs/mini.md``; so prompting is asked at full alone.

Accuracy is defined for some of XTREME-R's tasks only: :data:`ACCURACY`, of which XCOPA can be prompted.
Sizes are compared pairwise; a slope takes five of them, for the model is its unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlflow_xfer.studies.study import Arm, Contrast, Curve, Scale, Study

ACCURACY = ("xnli", "xcopa", "tatoeba")
MINI_ACCURACY = ("holds", "choice")
MANY = "en,de,es,tr,sw,id,vi"

RATES = {"mini-32": "5e-3", "mini-64": "3.5e-3", "mini": "2.5e-3", "mini-192": "2e-3", "mini-256": "1.8e-3"}
"""Of pre-training, by size; of later phases the recipes of the tasks, which are mini's."""

WIDTHS = {"mini-32": 32, "mini-64": 64, "mini": 128, "mini-192": 192, "mini-256": 256}
REFERENCE = "mini-64"


def parameters(width: int) -> float:
    """Of an encoder of mini's shape: embeddings of 5,000 tokens and 515 positions, two layers of 8 width²."""
    return float(5515 * width + 16 * width**2)


def arms_of(
    sizes: Sequence[str],
    settings: Mapping[str, Mapping[str, str]],
    many: Mapping[str, Mapping[str, str]],
    counts: Mapping[str, float],
    mark: str = "",
) -> tuple[Arm, ...]:
    """Every size with every intermediate."""
    return tuple(
        Arm(
            f"{size}{mark}: {name}",
            {**settings[size], **params},
            "" if name == "none" else f"{size}{mark}: none",
            {"parameters": counts[size]},
        )
        for size in sizes
        for name, params in many.items()
    )


def contrasts(sizes: Sequence[str], targets: tuple[str, ...], mark: str = "") -> tuple[Contrast, ...]:
    """Gains of each size, and how those of two sizes differ; over five or more their slope."""

    def gain(size: str, name: str, base: str = "none") -> dict[str, float]:
        return {f"{size}{mark}: {name}": 1.0, f"{size}{mark}: {base}": -1.0}

    small, large = sizes[0], sizes[-1]
    end = f"{mark}, {large} against {small}"
    found = [
        *(
            Contrast(
                f"gain of {name}{end}",
                gain(large, name) | {arm: -weight for arm, weight in gain(small, name).items()},
                targets=targets,
                primary=not mark,
            )
            for name in ("English", "many languages")
        ),
        *(
            Contrast(f"{size}{mark}: {name} against none", gain(size, name), targets=targets)
            for size in sizes
            for name in ("English", "many languages")
        ),
        *(
            Contrast(
                f"{size}{mark}: many languages against English",
                gain(size, "many languages", "English"),
                targets=targets,
            )
            for size in sizes
        ),
    ]
    if len(sizes) >= 5:
        found += [
            Contrast(
                f"gain of {name}{mark} over sizes",
                {arm: weight for size in sizes for arm, weight in gain(size, name).items()},
                "sizes",
                targets=targets,
            )
            for name in ("English", "many languages")
        ]
    return tuple(found)


def curves(sizes: Sequence[str], names: Sequence[str], mark: str = "") -> tuple[Curve, ...]:
    return tuple(
        Curve(f"{name}{mark}", tuple(f"{size}{mark}: {name}" for size in sizes), "parameters")
        for name in names
    )


MANNERS = {
    "none": {"intermediate": "none"},
    "English": {"intermediate": "attribute"},
    "many languages": {"intermediate": "attribute", "intermediate_language": MANY},
}
COUNTS = {size: parameters(width) for size, width in WIDTHS.items()}
MINI = {
    size: {"model": f"scratch:xlm-roberta:{size}", "text": "mini", "pretrain.learning_rate": rate}
    for size, rate in RATES.items()
}
FLOPS = " at equal FLOPs"
EQUAL = {
    size: {**settings, "pretrain.num_train_epochs": f"{COUNTS[REFERENCE] / COUNTS[size]:.3f}"}
    for size, settings in MINI.items()
    if size != REFERENCE
}
QUICK, EVERY = ("mini-32", "mini-64", "mini"), tuple(RATES)
SHARED = {"target": "holds,choice,pos", "seeds": "0,1,2"}

LLAMA = {"7B": 6.74e9, "13B": 13.02e9, "30B": 32.53e9}
LORA = {"trainable": "lora", "quantize": "nf4", "gradient_checkpointing": "true"}
LARGE = {size: {"model": f"huggyllama/llama-{size.lower()}"} for size in LLAMA}
PROMPTED = {size: {**settings, "shots": "4", "target": "xcopa"} for size, settings in LARGE.items()}
NLI = {
    "none": {"intermediate": "none"},
    "English": {"intermediate": "hellaswag"},
    "many languages": {
        "intermediate": "pawsx-translate-train",
        "intermediate_language": "en,de,es,fr,ja,ko,zh",
    },
}

RATES = "Rates follow a rule and were not tuned for each size: size and rate are not told apart wholly."

MODEL_SCALE = Study(
    name="model-scale",
    question="Do intermediate tasks help more or less as the model grows, in English or in many languages?",
    shared=SHARED,
    arms=arms_of(QUICK, MINI, MANNERS, COUNTS),
    contrasts=contrasts(QUICK, MINI_ACCURACY),
    curves=curves(QUICK, tuple(MANNERS)),
    sections=("curve",),
    sd=10.0,
    minutes={"quick": 4.0},
    limits=(
        "Sizes differ in width alone, from 0.2 to 2.5 million parameters; one pre-trained model of each.",
        RATES,
        "Tokenizer and text are the same for all: fertility and truncation cannot differ between sizes.",
        "Fine-tuned alone: decoders of mini's size do not pass the gate.",
    ),
    scales={
        "full": Scale(
            {"data": "hub", "suite": "xtreme-r", "target": ",".join(ACCURACY), "seeds": "0,1,2", **LORA},
            (
                *arms_of(tuple(LLAMA), LARGE, NLI, LLAMA),
                *arms_of(tuple(LLAMA), PROMPTED, NLI, LLAMA, ", prompted"),
            ),
            (
                *contrasts(tuple(LLAMA), ACCURACY),
                *contrasts(tuple(LLAMA), ("xcopa",), ", prompted"),
            ),
            "one GPU of 141 GiB (30B by QLoRA), LLaMA's weights (gated), the hub's data: mlflow-xfer plan "
            "study --study model-scale --scale full --gpu H200",
            curves=(
                *curves(tuple(LLAMA), tuple(NLI)),
                *curves(tuple(LLAMA), tuple(NLI), ", prompted"),
            ),
            limits=(
                "Sizes differ in width, depth and the text that they were pre-trained on; one model of each.",
                RATES,
                "XCOPA alone is prompted, and the report on all conditions is about it alone.",
            ),
        ),
    },
    efforts={
        "registered": Scale(
            {**SHARED, "seeds": ",".join(map(str, range(10)))},
            (
                *arms_of(EVERY, MINI, MANNERS, COUNTS),
                *arms_of(tuple(EQUAL), EQUAL, MANNERS, COUNTS, FLOPS),
            ),
            (*contrasts(EVERY, MINI_ACCURACY), *contrasts(tuple(EQUAL), MINI_ACCURACY, FLOPS)),
            curves=(*curves(EVERY, tuple(MANNERS)), *curves(tuple(EQUAL), tuple(MANNERS), FLOPS)),
        ),
    },
)

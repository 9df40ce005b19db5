"""Does language modelling on diverse low-resource languages, before training on an English task, help
classification in languages without labels?

Texts: English alone; English with three low-resource languages of three kinds of morphology (Afrikaans,
Haitian Creole, Basque), of which the base has read little; English with three that it has read much of (the
control). All have as many words (``text_words``) and as many steps; the two mixed ones have the
same quarter of English as replay. Each is read on from the base (*continued*) or from random weights
(*scratch*), without and with an English task after it. No text from scratch is a random encoder, outside the
interactions.

XNLI and PAWS-X, the classification tasks of XTREME, have stand-ins at mini: ``holds`` (is it true of the
thing?) and ``mood`` (is the deed good?); matching two texts is more than a model of that size learns.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlflow_xfer.studies.study import Arm, Contrast, Scale, Study

TEXTS = {"English": "en", "diverse": "en,af,ht,eu", "control": "en,de,es,tr"}
SEEN, UNSEEN = ("af", "ht", "eu"), ("sw", "id", "vi")
"""Languages of the diverse text, and those of none of the texts."""

TASK = " + task"
LARGE = {"English": "en", "diverse": "en,eu,jv,qu,sw,wo,yo", "control": "en,de,es,fr,ja,ru,zh"}


def arms(
    texts: Mapping[str, str], ways: Mapping[str, Mapping[str, str]], shared: Mapping[str, str], task: str
) -> tuple[Arm, ...]:
    """No text and every text in every way, without and with the task."""
    plain: dict[str, tuple[Mapping[str, str], str]] = {"none": ({}, "")}
    if "scratch" in ways:
        plain["random"] = ({"control": "random"}, "none")
    for way, model in ways.items():
        for text, spoken in texts.items():
            plain[f"{text}, {way}"] = ({**shared, **model, "text_languages": spoken}, "none")
    return (
        *(
            Arm(name, {**params, "intermediate": "none"}, against)
            for name, (params, against) in plain.items()
        ),
        *(Arm(name + TASK, {**params, "intermediate": task}, name) for name, (params, _) in plain.items()),
    )


def interaction(first: str, second: str) -> dict[str, float]:
    """What the task does after one text, less what it does after another."""
    return {first + TASK: 1.0, first: -1.0, second + TASK: -1.0, second: 1.0}


def contrasts(scratch: bool) -> tuple[Contrast, ...]:
    diverse, control = "diverse, continued", "control, continued"
    ahead = {diverse + TASK: 1.0, control + TASK: -1.0}
    found = [
        Contrast("diverse text × task", interaction(diverse, "none"), primary=True),
        Contrast("diverse against control, then the task", ahead, primary=True),
        Contrast("control text × task", interaction(control, "none")),
        Contrast("diverse against control, × task", interaction(diverse, control)),
        Contrast("the same in languages of the diverse text", ahead, languages=SEEN),
        Contrast("the same in languages of no text", ahead, languages=UNSEEN),
        Contrast("diverse against English text, then the task", _after("diverse", "English", "continued")),
        Contrast("English after diverse text", {diverse: 1.0, "none": -1.0}, languages=("en",)),
        Contrast(
            "English after diverse text and task",
            {diverse + TASK: 1.0, "none" + TASK: -1.0},
            languages=("en",),
        ),
    ]
    if scratch:
        found += [
            Contrast("from scratch: diverse × task", interaction("diverse, scratch", "English, scratch")),
            Contrast("from scratch: diverse against control", _after("diverse", "control", "scratch")),
            Contrast("the task on a random encoder", {"random" + TASK: 1.0, "random": -1.0}),
        ]
    return tuple(found)


def _after(first: str, second: str, way: str) -> dict[str, float]:
    return {f"{first}, {way}{TASK}": 1.0, f"{second}, {way}{TASK}": -1.0}


WORDS = 36_000
ALIKE = {
    "text": "mini-more",
    "text_words": str(WORDS),
    "alpha": "0",
    "pretrain.max_steps": "700",
    "pretrain.train_batch_size": "8",
    "pretrain.max_seq_length": "64",
}
WAYS = {
    "continued": {"model": "mini", "pretrain.learning_rate": "5e-4"},
    "scratch": {"model": "scratch:xlm-roberta:mini", "pretrain.learning_rate": "2.5e-3"},
}

LOW_RESOURCE_PRETRAINING = Study(
    name="low-resource-pretraining",
    question="Does pre-training on diverse low-resource languages before a task help classification?",
    shared={"target": "holds,mood", "seeds": "0,1,2"},
    arms=arms(TEXTS, WAYS, ALIKE, "attribute,polarity"),
    contrasts=contrasts(scratch=True),
    sections=("diversity", "arms by targets"),
    seeds={"registered": ",".join(map(str, range(12)))},
    sd=6.0,
    minutes={"quick": 5.0},
    limits=(
        "mini's texts are sentences of a small world: what is new in them is words and word order, no facts.",
        "The base has read a little of the low-resource languages: continued is more of the same.",
        "From scratch each text has its own tokenizer, trained on it, which differs in words a token.",
        "Seeds share the base and the pre-trained models; give base_seeds for more.",
    ),
    scales={
        "full": Scale(
            {
                "model": "xlm-roberta-large",
                "data": "hub",
                "suite": "xtreme",
                "target": "xnli,pawsx",
                "seeds": "0,1,2,3,4",
            },
            arms(
                LARGE,
                {"continued": {}},
                {
                    "text": "wikipedia",
                    "text_words": "7000000",
                    "alpha": "0",
                    "pretrain.max_steps": "10000",
                    "pretrain.learning_rate": "2e-5",
                },
                "hellaswag",  # MNLI would be XNLI's own task
            ),
            tuple(one for one in contrasts(scratch=False) if not one.languages or one.languages == ("en",)),
            "one GPU of 80 GiB, the hub's data and Wikipedia in 13 languages (7 million words a text); from "
            "scratch a model of this size would have to be pre-trained: mini alone asks that",
            limits=(
                "The base has read all of these languages: continued is more of the same.",
                "Seeds share the base and the continued models; give base_seeds for more.",
            ),
        ),
    },
)

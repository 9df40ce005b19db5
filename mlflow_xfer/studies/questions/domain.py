"""Does a task of a target's own domain help it more than one of no domain in particular?

The registered contrasts are differences of differences, one a domain: what the domain's task does for the
domain's target beyond the general task, less what it does so for the general target.
"""

from __future__ import annotations

from mlflow_xfer.studies.study import Arm, Contrast, Scale, Study


def matched(domain: str, own: str, general: str, on: str, off: str) -> tuple[Contrast, ...]:
    """The contrasts of one domain: the interaction, and its two halves."""
    weights = {own: 1.0, general: -1.0}
    return (
        Contrast(f"{domain} match", weights, targets=(on,), less=(off,), primary=True),
        Contrast(f"{domain} task on its own target", weights, targets=(on,)),
        Contrast(f"{domain} task on the general target", weights, targets=(off,)),
    )


MINI = (
    Arm("none", {"intermediate": "none"}),
    Arm("general", {"intermediate": "attribute"}, "none"),
    Arm("biomedical", {"intermediate": "bio_attribute"}, "none"),
    Arm("legal", {"intermediate": "legal_attribute"}, "none"),
    Arm("null", {"intermediate": "attribute_null"}, "none"),
)
LARGE = (
    Arm("none", {"intermediate": "none"}),
    Arm("general: MNLI", {"intermediate": "mnli"}, "none"),
    Arm("general: CosmosQA", {"intermediate": "cosmosqa"}, "none"),
    Arm("general: HellaSwag", {"intermediate": "hellaswag"}, "none"),
    Arm("biomedical: MedMCQA", {"intermediate": "medmcqa"}, "none"),
    Arm("biomedical: MedQA", {"intermediate": "medqa"}, "none"),
    Arm("biomedical: PubMedQA", {"intermediate": "pubmedqa-artificial"}, "none"),
    Arm("legal: CaseHOLD", {"intermediate": "casehold"}, "none"),
    Arm("legal: ContractNLI", {"intermediate": "contractnli"}, "none"),
    Arm("legal: LEDGAR", {"intermediate": "ledgar"}, "none"),
)


def sides(domain: str) -> dict[str, float]:
    """The sets of a domain against the general ones, each with the same weight on its side."""
    names = {side: [arm.name for arm in LARGE if arm.name.startswith(side)] for side in (domain, "general")}
    return {
        name: sign / len(names[side]) for side, sign in ((domain, 1), ("general", -1)) for name in names[side]
    }


def large(domain: str, on: str, off: str) -> tuple[Contrast, ...]:
    """As :func:`matched`, of three sets a side, which are a sample of such sets."""
    weights = sides(domain)
    return (
        Contrast(f"{domain} match", weights, "sets", targets=(on,), less=(off,), primary=True),
        Contrast(f"{domain} sets on their own target", weights, "sets", targets=(on,)),
        Contrast(f"{domain} sets on a general target", weights, "sets", targets=(off,)),
    )


DOMAIN = Study(
    name="domain",
    question="Does an intermediate task of the target's own domain help more than a general one?",
    shared={"target": "choice,bio_choice,legal_choice", "seeds": "0,1,2,3,4,5"},
    arms=MINI,
    contrasts=(
        *matched("biomedical", "biomedical", "general", "bio_choice", "choice"),
        *matched("legal", "legal", "general", "legal_choice", "choice"),
        Contrast("the null against none", {"null": 1, "none": -1}),
    ),
    sections=("domains",),
    seeds={"registered": ",".join(map(str, range(20)))},
    sd=15.0,
    minutes={"quick": 12.0},
    limits=(
        "One set a domain: about these sets, not about domains.",
        "mini's domains are attributes of different things: they differ in words alone; format, size and "
        "steps are equal.",
    ),
    scales={
        "full": Scale(
            {
                "model": "xlm-roberta-large",
                "data": "hub",
                "target": "xnli,panx,terms-of-service",
                "seeds": "0,1,2,3,4",
                "intermediate.max_train_examples": "10000",
            },
            LARGE,
            (
                Contrast(
                    "biomedical sets against general ones",
                    sides("biomedical"),
                    "sets",
                    targets=("xnli", "panx"),
                    primary=True,
                ),
                *large("legal", "terms-of-service", "xnli"),
            ),
            "one GPU of 80 GiB, the hub's data; the biomedical target, mantra-gsc, needs a folder",
            limits=("Sets of a domain differ from general ones in format, labels and length, too.",),
        ),
    },
)

"""The verbs, once: the Python API, the command line, MLproject, documentation and tags of runs follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.params import chain, lookups, questions, studies
from mlflow_xfer.params.declare import Shape, parameters
from mlflow_xfer.params.reading import command, read
from mlflow_xfer.registry import unknown

COMMANDS = "mlflow_xfer.commands"
PRINTED = f"{COMMANDS}.result.printed"


@dataclass(frozen=True)
class Verb:
    """One command, which is also a function of the same name.

    Args:
        shape: its parameters; their docstring says what the verb does: on one line, then what else there is.
        function: dotted name of what carries it out, looked up when it is called: it takes a ``shape``.
        entry_point: its name in MLproject; empty: it has none.
        headline: the parameters that MLproject declares, at most eight: MLflow logs every declared default
            into every run. Help shows them first.
        examples: two command lines without ``mlflow-xfer``.
        printed: dotted name of what makes the text that the command prints of the parameters and what the
            function returned. Without it the command prints what is text, and leaves all else in MLflow.
        planned: its parameter that names another verb, whose parameters it takes too.
    """

    shape: type[Shape]
    function: str
    entry_point: str = ""
    headline: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    printed: str = ""
    planned: str = ""

    @property
    def name(self) -> str:
        return command(self.shape)

    @property
    def about(self) -> str:
        """What it does, on one line."""
        return self._paragraphs[0]

    @property
    def details(self) -> tuple[str, ...]:
        """What else there is to say, in paragraphs."""
        return self._paragraphs[1:]

    @property
    def _paragraphs(self) -> tuple[str, ...]:
        return tuple(" ".join(part.split()) for part in (self.shape.__doc__ or "").split("\n\n"))

    @property
    def trains(self) -> bool:
        """Whether a phase's name may stand before its parameters of training."""
        return issubclass(self.shape, chain.Trained)

    def read(self, raw: Mapping[str, Any]) -> Shape:
        """Its parameters from what a user typed, as :func:`mlflow_xfer.params.reading.read`."""
        if not self.planned:
            return read(self.shape, raw)
        own = parameters(self.shape)
        mine = {key: value for key, value in raw.items() if key.replace("-", "_") in own}
        params = read(self.shape, mine)
        if (name := getattr(params, self.planned)) not in lookups.PLANNED:
            raise unknown(f"command to {self.name}", name, lookups.PLANNED)
        rest = {key: value for key, value in raw.items() if key not in mine}
        return params.model_copy(update={"of": VERBS[name].read(rest)})


_VERBS = (
    Verb(
        chain.Transfer, f"{COMMANDS}.phases.transfer", "main", ("model", "data", "intermediate", "target"),
        (
            "transfer --intermediate nli --target pos,retrieval --seeds 1,2,3",
            "transfer --model xlm-roberta-base --data hub --intermediate mnli --target xnli "
            "--target.learning_rate 2e-5",
        ),
        printed=PRINTED,
    ),
    Verb(
        chain.Pretrain, f"{COMMANDS}.phases.pretrain", "pretrain", ("model", "text", "seed"),
        (
            "pretrain --model scratch:xlm-roberta:mini --text texts",
            "pretrain --model xlm-roberta-base --text texts --text_languages de,sw --max_steps 10000",
        ),
        printed=PRINTED,
    ),
    Verb(
        chain.Intermediate, f"{COMMANDS}.phases.intermediate", "intermediate",
        ("model", "data", "intermediate", "seed"),
        (
            "intermediate --intermediate nli --seed 1",
            "intermediate --model xlm-roberta-base --data hub --intermediate mnli,squad --mixing temperature "
            "--mixing_temperature 2",
        ),
        printed=PRINTED,
    ),
    Verb(
        chain.Target, f"{COMMANDS}.phases.target", "target", ("model", "data", "target", "seed"),
        (
            "target --target pos",
            "target --model xlm-roberta-base --data hub --target udpos --select_by last --device cuda",
        ),
        printed=PRINTED,
    ),
    Verb(
        chain.Evaluate, f"{COMMANDS}.phases.evaluate", "evaluate", ("model", "data", "target"),
        (
            "evaluate --model mini --target retrieval",
            "evaluate --model runs:/0123456789abcdef0123456789abcdef --languages de,sw",
        ),
        printed=PRINTED,
    ),
    Verb(
        questions.Search, f"{COMMANDS}.search.search", "search",
        ("model", "data", "pool", "target", "objective", "n_trials", "sampler", "study_name"),
        (
            "search --pool attribute,polarity,position --target choice --n_trials 8",
            "search --model xlm-roberta-base --data hub --pool mnli,qqp,hellaswag --target xquad,udpos "
            "--space mixing --seeds 1,2 --pruner wilcoxon",
        ),
        printed=PRINTED,
    ),
    Verb(
        studies.Study, f"{COMMANDS}.study.study", "study", ("study", "scale", "effort"),
        (
            "study --study nli-variance",
            "study --study replicate --effort registered --seeds 0,1,2,3,4,5,6,7 --workers 2",
        ),
        printed=PRINTED,
    ),
    Verb(
        questions.Report, f"{COMMANDS}.report.report", "report", ("runs", "question"),
        (
            "report --question 'Does NLI help?'",
            "report 0123456789abcdef0123456789abcdef fedcba9876543210fedcba9876543210 --out pages",
        ),
        printed=PRINTED,
    ),
    Verb(
        questions.Publish, f"{COMMANDS}.publish.publish", "publish", ("model", "out", "register"),
        (
            "publish 0123456789abcdef0123456789abcdef --out swahili-tagger",
            "publish models:/best@confirmed --out swahili-tagger --register swahili-tagger",
        ),
        printed=PRINTED,
    ),
    Verb(
        questions.Repro, f"{COMMANDS}.repro.repro", "", (),
        (
            "repro 0123456789abcdef0123456789abcdef --out swahili-tagger-s1",
            "repro --check swahili-tagger-s1",
        ),
        printed=f"{COMMANDS}.repro.printed",
    ),
    Verb(
        questions.Rank, f"{COMMANDS}.rank.rank", "",
        ("model", "data", "pool", "target", "method", "checkpoints"),
        (
            "rank --pool attribute,polarity,position --target choice",
            "rank --data hub --pool mnli,qqp,hellaswag --target udpos,panx --method size,kind --track true",
        ),
        printed=f"{COMMANDS}.rank.printed",
    ),
    Verb(
        lookups.Plan, f"{COMMANDS}.plan.plan", "", ("verb", "overlap", "json"),
        (
            "plan --intermediate nli --target pos,choice --seeds 1,2,3",
            "plan search --pool attribute,position --target choice --json true",
        ),
        printed=f"{COMMANDS}.plan.printed", planned="verb",
    ),
    Verb(
        lookups.Recipe, f"{COMMANDS}.recipe.recipe", "", (),
        (
            "recipe slurm --nodes 3 --gpu A100-40 --intermediate nli --target pos --seeds 1,2,3",
            "recipe kubernetes search --ray true --nodes 4 --pool attribute,position --target choice",
        ),
        planned="verb",
    ),
    Verb(
        lookups.Predict, f"{COMMANDS}.scoring.predict", "", (),
        (
            "predict 0123456789abcdef0123456789abcdef sentences.txt",
            "predict models:/best reviews.csv --task reviews --format jsonl",
        ),
        printed=f"{COMMANDS}.scoring.rows",
    ),
    Verb(
        lookups.Score, f"{COMMANDS}.scoring.score", "", (),
        (
            "score predictions labels",
            "score --predictions predictions --labels labels --suite xtreme-r --track true",
        ),
        printed=f"{COMMANDS}.scoring.figures",
    ),
    Verb(
        lookups.Submission, f"{COMMANDS}.scoring.submission", "", (),
        (
            "submission 0123456789abcdef0123456789abcdef --out predictions",
            "submission 0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210 predictions "
            "--suite xtreme-r",
        ),
        printed=f"{COMMANDS}.scoring.findings",
    ),
    Verb(
        lookups.Results, f"{COMMANDS}.lookups.results", "", (),
        ("results", "results 0123456789abcdef0123456789abcdef --format json"),
        printed=f"{COMMANDS}.lookups.frame",
    ),
    Verb(
        lookups.Diff, f"{COMMANDS}.lookups.diff", "", (),
        (
            "diff 0123456789abcdef0123456789abcdef fedcba9876543210fedcba9876543210",
            "diff 0123456789abcdef0123456789abcdef fedcba9876543210fedcba9876543210 --format json",
        ),
        printed=f"{COMMANDS}.lookups.changed",
    ),
    Verb(
        lookups.Lineage, f"{COMMANDS}.lookups.lineage", "", (),
        ("lineage 0123456789abcdef0123456789abcdef", "lineage models:/best"),
    ),
    Verb(studies.Studies, f"{COMMANDS}.study.studies", "", (), ("studies", "studies replicate")),
    Verb(
        studies.Claims, f"{COMMANDS}.study.claims", "", (), ("claims", "claims --format json"),
        printed=f"{COMMANDS}.study.judged_text",
    ),
    Verb(
        lookups.Tasks, f"{COMMANDS}.lookups.tasks", "", (),
        ("tasks --kind tagging --language sw", "tasks --check tasks.yaml"),
    ),
    Verb(lookups.Suites, f"{COMMANDS}.lookups.suites", "", (), ("suites", "suites xtreme-r")),
    Verb(
        lookups.Languages, f"{COMMANDS}.lookups.languages", "", (),
        ("languages de,sw --to hi", "languages --family Turkic --measures syntactic"),
    ),
    Verb(
        lookups.Fetch, f"{COMMANDS}.fetch.fetch", "", (),
        ("fetch xtreme --tasks xnli,pawsx --out download", "fetch xtreme --dry_run true"),
    ),
    Verb(
        lookups.Translate, f"{COMMANDS}.translate.translate", "", (),
        (
            "translate nli.jsonl --model Helsinki-NLP/opus-mt-en-de --out nli.de.jsonl",
            "translate nli.jsonl --model facebook/nllb-200-distilled-600M --source eng_Latn "
            "--target swh_Latn --back facebook/nllb-200-distilled-600M --at_least 40 --out nli.sw.jsonl",
        ),
    ),
    Verb(lookups.Sync, f"{COMMANDS}.lookups.sync", "", (), ("sync", "sync --moved_from http://old:5000")),
    Verb(
        lookups.Gc, f"{COMMANDS}.gc.gc", "", (),
        ("gc --budget 20", "gc --budget 0 --caches encoded,data --dry_run false"),
    ),
    Verb(lookups.Doctor, f"{COMMANDS}.lookups.doctor", "", (), ("doctor", "doctor --fix true")),
)  # fmt: skip

VERBS: dict[str, Verb] = {verb.name: verb for verb in _VERBS}

REMOVED = {
    "worker": "One process runs a search, and trains in as many as it is told: mlflow-xfer search … "
    "--workers N. Several hosts share a transfer or a study by the same command on each."
}
"""Verbs that are gone, with what to use instead; they answer for one release."""


def removed(name: str) -> XferError:
    """The answer of a verb that is gone."""
    return XferError(f"There is no command {name} any more.", REMOVED[name])


def parse(verb: str, raw: Mapping[str, Any]) -> Shape:
    """The parameters of ``verb`` from what a user typed, see :meth:`Verb.read`."""
    return VERBS[verb].read(raw)

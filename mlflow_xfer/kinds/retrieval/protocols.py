"""What retrieval is asked for: translations, ranked lists among candidates, or mined pairs.

Each protocol has an evaluation, a file format and a guess of its own.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlflow_xfer.data.labels import number_of
from mlflow_xfer.data.retrieval import column, golds, offered, queries, unknown_golds
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.retrieval.data import MINING, RANKING, TRANSLATION, protocol
from mlflow_xfer.kinds.retrieval.files import PAIRS, RANKED, ROW_NUMBERS
from mlflow_xfer.kinds.retrieval.metrics import RANKS
from mlflow_xfer.kinds.retrieval.mining import Side, mine
from mlflow_xfer.lines import scalar_text
from mlflow_xfer.scoring.baselines import mean_of_draws, value_of
from mlflow_xfer.scoring.evaluation import Answered, Compared, Predictor, Splits, by_language
from mlflow_xfer.scoring.formats import Format
from mlflow_xfer.tasks.task import POOL, Task

logger = logging.getLogger(__name__)

SPLIT = "split"  # a column of a table to mine: validation (the threshold is chosen there) or test


class Translation(Answered):
    """For each English sentence the row of its translation; a test set of pairs is its own gold."""

    format: Format = ROW_NUMBERS

    def evaluation(self, task: Task, splits: Splits, predictor: Predictor) -> dict[str, Compared]:
        answers = predictor.answers(splits.tests)
        return {
            code: Compared(answers[code], list(range(len(split))), None, split["id"][:], split)
            for code, split in splits.tests.items()
        }

    def baselines(
        self,
        metric: str,
        references: Sequence,
        training: Sequence | None,
        options: Sequence | None,
        language: str,
        rng: Any,
    ) -> dict[str, float]:
        # The candidates are the sentences of the other side, as many as there are queries: any constant guess
        # is chance.
        return {"chance": 100.0 / len(references), "majority": 100.0 / len(references)}

    def columns(self, task: Task, language: str, references: Sequence) -> dict[str, list]:
        return {}

    def value(self, given: Any) -> Any:
        """Row numbers, of whatever type they are."""
        return None if given is None else number_of(given)


class Ranking(Answered):
    """For each query the best candidates, among those of its language and the pool, or of all languages."""

    format: Format = RANKED

    def evaluation(self, task: Task, splits: Splits, predictor: Predictor) -> dict[str, Compared]:
        """As in every kind.

        Raises:
            XferError: if right answers are not among the candidates.
        """
        everything = {**splits.tests, **splits.beside}
        right = golds(everything, task.option("pooled"))
        among_all = {name: offered(split) for name, split in everything.items()}
        answers, compared = predictor.answers(everything), {}
        for language, split in splits.tests.items():
            among = everything if task.option("pooled") else {language, POOL} & set(among_all)
            pool, asked = [name for part in among for name in among_all[part]], queries(split)
            gold, names = [right[language][n] for n in asked], split["id"][:]
            _check_known(task, language, gold, set(pool))
            ranked = [answers[language][n] for n in asked]
            compared[language] = Compared(ranked, gold, pool, [names[n] for n in asked], split)
        return compared

    def baselines(
        self,
        metric: str,
        references: Sequence,
        training: Sequence | None,
        options: Sequence | None,
        language: str,
        rng: Any,
    ) -> dict[str, float]:
        known = set(options) if options is not None else {name for gold in references for name in gold}
        pool = np.array(sorted(known), object)

        def draw() -> list[list]:
            # Of a large pool with replacement: a list of 20 repeats itself once in 5,000 draws, and a
            # permutation takes long.
            large = len(pool) > 1_000_000 / max(len(references), 1)
            return [
                list(pool[rng.integers(0, len(pool), RANKS)] if large else rng.permutation(pool)[:RANKS])
                for _ in references
            ]

        seen = training if training is not None else references
        frequent = Counter(name for gold in seen for name in gold)
        constant = sorted(frequent, key=lambda item: (-frequent[item], str(item)))[:RANKS]
        return {
            "chance": mean_of_draws(draw, metric, references, language),
            "majority": value_of(metric, [constant] * len(references), references, language),
        }

    def columns(self, task: Task, language: str, references: Sequence) -> dict[str, list]:
        return {"gold": _gold_lists(references)}

    def value(self, given: Any) -> Any:
        """Lists of ids, of whatever type they are."""
        return list(map(scalar_text, given)) if isinstance(given, list | tuple) else given

    def table_splits(self, task: Task, table: Any, split: Callable[[Any], Any]) -> Splits:
        tests = by_language(table, split)
        beside = {POOL: tests.pop(POOL)} if POOL in tests else {}
        return Splits(tests, beside=beside)

    def given(self, task: Task, language: str, table: Any) -> Compared | None:
        """Rows without a query are candidates."""
        if language == POOL:
            return None
        return super().given(task, language, table[table["source"].notna()] if "source" in table else table)


class Mining(Answered):
    """Pairs of translations in both collections by ratio margin, above the threshold that is best on dev.

    A random pair is right about once in a million, and no pair is frequent: there is nothing to guess.
    """

    format: Format = PAIRS

    def evaluation(self, task: Task, splits: Splits, predictor: Predictor) -> dict[str, Compared]:
        """As in every kind; a language without test rows is mined on dev itself, and its row says so."""
        from mlflow_xfer.training.vector_search import fastest_both_ways

        compared, search = {}, fastest_both_ways()
        for language, dev in splits.devs.items():  # one at a time: a collection has up to a million sentences
            sides = _collections(dev, predictor.vectors({language: dev})[language])
            pairs, threshold = mine(*sides, gold=_pairs(dev), search=search)
            more: dict[str, Any] = {"component_threshold": threshold}
            split = splits.tests.get(language)
            if split is not None:
                sides = _collections(split, predictor.vectors({language: split})[language])
                pairs, _ = mine(*sides, threshold=threshold, search=search)
            else:
                split = dev
                more["split"] = "validation"
                logger.warning(
                    "%s, %s: there is no test set, so dev is scored, with a threshold tuned on it: "
                    "outside suite totals.",
                    task.name,
                    language,
                )
            compared[language] = Compared(pairs, _pairs(split), split=split, more=more)
        return compared

    def columns(self, task: Task, language: str, references: Sequence) -> dict[str, list]:
        return {"gold": _gold_lists(references)}

    def table_splits(self, task: Task, table: Any, split: Callable[[Any], Any]) -> Splits:
        if SPLIT not in table:
            return Splits({}, devs=by_language(table, split))
        of = {name: by_language(table[table[SPLIT] == name], split) for name in ("test", "validation")}
        return Splits(of["test"], devs=of["validation"])

    def given(self, task: Task, language: str, table: Any) -> Compared | None:
        """Two sets in one table: the shorter one is filled up with missing values."""
        predicted, gold = ([v for v in table[name] if v is not None] for name in ("prediction", "reference"))
        return Compared(predicted, gold)


JUDGES: Mapping[str, Translation | Ranking | Mining] = {
    TRANSLATION: Translation(),
    RANKING: Ranking(),
    MINING: Mining(),
}


def judge(metric: str) -> Translation | Ranking | Mining:
    """How the protocol of ``metric`` is judged."""
    return JUDGES[protocol(metric)]


def _check_known(task: Task, language: str, right: list, pool: set[str]) -> None:
    absent = unknown_golds(right, pool)
    if absent:
        raise XferError(
            f"Task {task.name!r}, {language}: {len(absent)} right answers are no candidates, "
            f"such as {absent[0]!r}.",
            "Every gold id must be the id of a row with a target, in the test rows or in the pool.",
        )


def _gold_lists(references: Sequence) -> list[list[str] | None]:
    listed = [[gold] if isinstance(gold, str | int | float) else gold for gold in references]
    return [None if gold is None else list(map(scalar_text, gold)) for gold in listed]


def _pairs(split: Any) -> list[tuple[str, str]]:
    rows = zip(split["id"][:], column(split, "gold"), column(split, "source"), strict=True)
    return [(name, right) for name, gold, source in rows if source is not None for right in gold or ()]


def _collections(split: Any, vectors: Any) -> tuple[Side, Side]:
    names = split["id"][:]
    sides = []
    for side, found in (("source", vectors.source), ("target", vectors.target)):
        texts = column(split, side)
        sides.append(Side([names[n] for n in found.rows], [texts[n] for n in found.rows], found.vectors))
    return sides[0], sides[1]

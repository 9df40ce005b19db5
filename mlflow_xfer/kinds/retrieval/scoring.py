"""How retrieval is judged: by its protocol; and the nearest of a user's own texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import Scoring
from mlflow_xfer.kinds.retrieval.data import KIND as reads
from mlflow_xfer.kinds.retrieval.metrics import map_figures, map_rows, pair_figures, pair_rows
from mlflow_xfer.kinds.retrieval.protocols import judge
from mlflow_xfer.scoring.accuracy import accuracy
from mlflow_xfer.scoring.evaluation import Compared, Predictor, Splits
from mlflow_xfer.scoring.formats import Format
from mlflow_xfer.scoring.score import Metric
from mlflow_xfer.tasks.task import POOL, Task


class Retrieval(Scoring):
    name = "retrieval"
    metrics = {
        "retrieval_accuracy": accuracy(
            "retrieval_accuracy", "share of queries whose nearest neighbour is the right sentence"
        ),
        "map_at_20": Metric(  # XTREME-R writes map@20, which MLflow refuses as a metric name
            "map_at_20",
            map_rows,
            map_figures,
            ("map_at_20",),
            description="mean average precision of 20 ranks",
        ),
        "bucc_f1": Metric(
            "bucc_f1",
            pair_rows,
            pair_figures,
            ("f1",),
            description="F1 of mined sentence pairs (BUCC)",
        ),
    }
    may_lack = ("source", "target", "context")
    predicts = ("prediction", "cosine")

    def splits(
        self, task: Task, read: Sequence[tuple[Any, Any]], limit: int | None, scored: Sequence
    ) -> Splits:
        """Test rows, dev rows of mining and what only offers candidates; ``limit`` cuts the queries alone.

        Where no test rows were read, as for a search's objective, validation rows are scored.
        """
        from datasets import concatenate_datasets

        from mlflow_xfer.data.retrieval import few_queries

        languages = tuple(scored) or tuple(rows.language for rows, _ in read if rows.split != POOL)
        on_test = reads.tunes_on_dev(task) or any(rows.split == "test" for rows, _ in read)
        asked = "test" if on_test else "validation"
        tests = {
            rows.language: few_queries(split, limit, 0)
            for rows, split in read
            if rows.split == asked and rows.language in languages
        }
        devs = {
            rows.language: few_queries(split, limit, 0) for rows, split in read if rows.split == "validation"
        }
        beside = {
            rows.language: split
            for rows, split in read
            if rows.split == "test" and rows.language not in languages
        }
        pool = [split for rows, split in read if rows.split == POOL]
        if pool:
            beside[POOL] = concatenate_datasets(pool)
        return Splits(tests, devs, beside)

    def evaluation(self, task: Task, splits: Splits, predictor: Predictor) -> dict[str, Compared]:
        return judge(task.metric).evaluation(task, splits, predictor)

    def baselines(
        self,
        metric: str,
        references: Sequence,
        training: Sequence | None,
        options: Sequence | None,
        language: str,
        rng: Any,
    ) -> dict[str, float]:
        return judge(str(metric)).baselines(metric, references, training, options, language, rng)

    def file_format(self, task: Task) -> Format:
        return judge(task.metric).format

    def columns(self, task: Task, language: str, references: Sequence) -> dict[str, list]:
        return judge(task.metric).columns(task, language, references)

    def table_splits(self, task: Task, table: Any, split: Callable[[Any], Any]) -> Splits:
        return judge(task.metric).table_splits(task, table, split)

    def given(self, task: Task, language: str, table: Any) -> Compared | None:
        return judge(task.metric).given(task, language, table)

    def predicted(
        self, task: Task, rows: Sequence[Mapping[str, Any]], predictor: Predictor
    ) -> list[dict[str, Any]]:
        """For each text the nearest of the others by the cosine of their vectors, of a dual encoder if there
        is one."""
        from datasets import Dataset

        from mlflow_xfer.training.vector_search import nearest

        if len(rows) < 2:
            raise XferError(
                "This checkpoint compares texts: one alone has no neighbour.",
                "Give two lines or more, or a run that trained another target.",
            )
        split = Dataset.from_list([{"id": row["id"], "source": row["text"], "target": None} for row in rows])
        sides = predictor.vectors({"": split})[""].source.vectors
        places, cosines = nearest(sides, sides, 2)
        answered = []
        for number, (row, near, cosine) in enumerate(
            zip(rows, places.tolist(), cosines.tolist(), strict=True)
        ):
            first = 0 if near[0] != number else 1
            answered.append(
                dict(row) | {"prediction": rows[near[first]]["text"], "cosine": round(cosine[first], 4)}
            )
        return answered


KIND = Retrieval()

"""The rows of a command's tasks: which files or data sets, in which languages, and what lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlflow_xfer.data import sources
from mlflow_xfer.data.passed_over import halves, misnamed
from mlflow_xfer.data.sources import Rows
from mlflow_xfer.errors import few
from mlflow_xfer.kinds import kind
from mlflow_xfer.phases.named import SELECTION_SPLIT, Named
from mlflow_xfer.tasks.task import POOL, Generated, Task


class Located(Named):
    """Finds rows for training, selection and evaluation."""

    def located(self, task: Task, split: str, language: str, seed: int) -> Rows | None:
        def locate() -> Rows | None:
            rows = sources.locate(task, split, language, self.params.data, seed=seed)
            return sources.resolve(task, rows) if rows and self.online else rows

        generated = any(isinstance(source, Generated) for of in task.sources.values() for source in of)
        key = task.name, split, language, seed if generated else None
        if key not in self.found:
            self.found[key] = self.attempt(locate, None)
        return self.found[key]

    def training_rows(self, task: Task, language: str, seed: int) -> list[Rows]:
        train = self.located(task, "train", language, seed)
        if train is None and not self.problems:
            where = ", ".join(self.available(task, "train")) or "none"
            self.problems.add(
                f"Task {task.name!r} has no training data in {language!r} with data={self.params.data}.",
                f"Languages with training data: {where}.{self.looked(task, 'train', language)}",
            )
        dev = self.located(task, SELECTION_SPLIT, language, seed)
        if dev is None:
            self._refuse_other_names(task, SELECTION_SPLIT, [language])
        return [*(rows for rows in (train, dev) if rows), *self.pool_rows(task, seed)]

    def looked(self, task: Task, split: str, language: str) -> str:
        """Where a folder was looked into for rows that are not there."""
        rows = self.attempt(lambda: sources.looked_at(task, split, language, self.params.data), "")
        return f" Looked for: {rows}" if rows else ""

    def pool_rows(self, task: Task, seed: int) -> list[Rows]:
        """Candidates that are the same for all languages; a file that serves several languages once."""
        if not kind.data(task.kind).pool:
            return []
        located = [self.located(task, POOL, code, seed) for code in self.available(task, POOL)]
        return list({rows.identity: rows for rows in located if rows}.values())

    def dev_scored(self, task: Task, code: str, seed: int) -> Rows | None:
        """Rows of dev where mining has no test set:
        scored there, where its threshold is tuned, and marked so.
        """
        return (
            self.located(task, SELECTION_SPLIT, code, seed)
            if kind.data(task.kind).tunes_on_dev(task)
            else None
        )

    def test_rows(self, task: Task, seed: int) -> list[Rows]:
        """Test rows of the languages asked for; those without a file are listed in ``missing``."""
        suite = self.suite()
        wanted = (
            suite.languages.get(task.name, task.languages) if task.name in suite.tasks else task.languages
        )
        held, asked = tuple(wanted), () if self.params.languages == "auto" else self.params.languages
        if asked:
            wanted = [code for code in held if code in {*asked, "en"}]
        located = {
            code: self.located(task, "test", code, seed) or self.dev_scored(task, code, seed)
            for code in wanted
        }
        absent = tuple(code for code, rows in located.items() if rows is None)
        absent += tuple(code for code in asked if code not in held)
        if absent:
            self.missing[task.name] = absent
            self._refuse_other_names(task, "test", absent)
            self._refuse_halves(task, absent)
        rows = [r for r in located.values() if r]
        if not rows:
            self.problems.add(
                (
                    f"Task {task.name!r} has test data in none of the languages asked for "
                    f"({', '.join(wanted) or 'none'})."
                ),
                f"Languages with a test file: {', '.join(self.available(task, 'test')) or 'none'}."
                + (self.looked(task, "test", wanted[0]) if wanted else ""),
            )
        return rows

    def _refuse_other_names(self, task: Task, split: str, absent: Sequence[str]) -> None:
        found = self.attempt(lambda: misnamed(task, split, absent, self.params.data), {})
        for code, file in found.items():
            self.problems.add(f"{file} is not read: the code of its language is {code}.", "Rename it.")

    def _refuse_halves(self, task: Task, absent: Sequence[str]) -> None:
        found = self.attempt(lambda: halves(task, "test", absent, self.params.data), {})
        for file, others in found.items():
            self.problems.add(
                f"{file} is not there, and without it these are not read: {few(others, longest=200)}.",
                "Add it, or leave their languages out with languages=….",
            )

    def texts(self, text: str) -> list[Rows]:
        asked = self.params.text_languages
        wanted = None if asked == "auto" else list(asked)
        if ("text", text) not in self.found:
            self.found["text", text] = self.attempt(lambda: sources.load_texts(text, wanted), {})
        texts = self.found["text", text]
        return [texts[code] for code in sorted(texts)]

    def selection(self, task: Task, rows: Sequence[Rows], seed: int) -> tuple[tuple[Task, Rows], ...]:
        """Dev rows of the evaluated languages but the source, by which ``label_free`` and ``oracle`` select;
        never test rows.

        ``rows`` are those of the training: a validation row that few-shot training took cannot select.
        """
        by, source = f"select_by={self.params.select_by}", self.params.source_language
        ways = kind.data(task.kind).selects_by
        if self.params.select_by not in ways:
            self.problems.add(
                f"{by} cannot judge answers of {task.name!r} ({task.kind}).",
                f"Use {', '.join(('english_dev', 'last', 'average', *ways))}.",
            )
            return ()
        codes = [row.language for row in self.test_rows(task, seed) if row.language != source]
        located = {code: self.located(task, SELECTION_SPLIT, code, seed) for code in codes}
        missing = [code for code, one in located.items() if one is None]
        if missing or not codes:
            what = (
                f"has no validation rows in {', '.join(missing)}"
                if missing
                else f"is evaluated in no language but {source!r}"
            )
            self.problems.add(
                f"{by}: task {task.name!r} {what}.",
                (
                    "Narrow the languages to those with validation rows (languages=…), or use english_dev, "
                    "last or average."
                ),
            )
        shots = sorted(
            {row.language for row in rows if row.split == SELECTION_SPLIT and row.language != source}
        )
        if shots:
            self.problems.add(
                (
                    f"{by}: target_shots of {task.name!r} are taken from the validation rows in "
                    f"{', '.join(shots)}, where there is no training split."
                ),
                "Use target_shots=0, or another select_by.",
            )
        return tuple((task, one) for one in located.values() if one)

    def shots(self, task: Task, seed: int) -> list[Rows]:
        """Labelled rows of the evaluated languages: their training split, else their validation split."""
        codes = [
            row.language for row in self.test_rows(task, seed) if row.language != self.params.source_language
        ]
        located = {
            code: self.located(task, "train", code, seed) or self.located(task, SELECTION_SPLIT, code, seed)
            for code in codes
        }
        for code in (code for code, rows in located.items() if rows is None):
            self.problems.add(
                f"target_shots: task {task.name!r} has no training or validation rows in {code!r}.",
                "Leave the language out with languages=…, or target_shots=0.",
            )
        return [rows for rows in located.values() if rows]

    def excluded(
        self, targets: Callable[[], Sequence[str]], seed: int, before_target: bool = False
    ) -> tuple[tuple[tuple[Task, Rows], ...], dict[str, Any]]:
        """With ``exclude_overlap``: the targets' test and dev rows, and ``before_target`` their training
        rows, whose like a phase must not train on; and the setting that says so.
        """
        if not self.params.exclude_overlap:
            return (), {}
        tasks = [task for name in targets() if (task := self.task(name, "target"))]
        rows = [(task, rows) for task in tasks for rows in self.test_rows(task, seed)]
        rows += [
            one
            for task in tasks
            for one in self.own_rows(task, [SELECTION_SPLIT, *(["train"] if before_target else [])], seed)
            if one not in rows
        ]
        return tuple(rows), {"exclude_overlap": True}

    def own_rows(self, task: Task, splits: Sequence[str], seed: int) -> list[tuple[Task, Rows]]:
        """The rows of ``splits`` that ``task`` is trained on or selected by. Those of the embedded suite are
        kept apart from all others by its generator.
        """
        trained = self.task(self.params.train_on, "intermediate") if self.params.train_on else task
        if trained is None or not task.trained:
            return []
        located = [self.located(trained, split, self.params.source_language, seed) for split in splits]
        return [(trained, rows) for rows in located if rows and rows.provider != "mini"]

    def further_rows(self, task: Task, rows: Sequence[Rows], seed: int) -> list[Rows]:
        """What is read beside the scored ``rows``:
        dev for a threshold, candidates in other languages, a pool.
        """
        tested = [one.language for one in rows if one.split == "test"]
        further = kind.data(task.kind).further(task, [one.language for one in rows], tested)
        dev = {code: self.located(task, SELECTION_SPLIT, code, seed) for code in further.dev}
        for code in (code for code, found in dev.items() if found is None):
            self.problems.add(
                f"Task {task.name!r} has no validation split in {code!r}.",
                "The threshold of mining is tuned there; leave the language out with languages=….",
            )
        beside = [self.located(task, "test", code, seed) for code in further.others]
        pool = self.pool_rows(task, seed) if further.pool else []
        return [*(found for found in (*dev.values(), *beside) if found), *pool]

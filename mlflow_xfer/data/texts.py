"""Raw text: the embedded suite's, a folder of ``<language>.txt`` with one document per line, or the hub's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer import languages as table
from mlflow_xfer.data import origins
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.lines import looked_for, ordinary
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Task

if TYPE_CHECKING:
    from datasets import Dataset

TASK = "text"
MINI: Mapping[str, dict[str, int]] = {"mini": {}, "mini-more": {"more": 1}}
"""The embedded suite's texts: what its base reads, and further text in all of its languages."""


def load_texts(text: str, languages: Iterable[str] | None = None) -> Mapping[str, Rows]:
    """The corpora by language; ``None`` asks for all there are.

    Raises:
        XferError: no such folder, no text in it, a file that is not named after a known language, or a
            language without a file; all faults at once.
    """
    wanted = None if languages is None else [language.code for language in table.resolve(languages)]
    texts = (
        _mini(text) if text in MINI else _hub(TASKS.get(text)) if _declared(text) else _folder(text, wanted)
    )
    if wanted is None:
        return texts
    absent = [code for code in wanted if code not in texts]
    if absent:
        raise XferError(f"text={text} has no text in {', '.join(absent)}.", f"It has: {', '.join(texts)}")
    return {code: texts[code] for code in wanted}


def few_words(texts: Mapping[str, Dataset], words: int | None) -> Mapping[str, Dataset]:
    """The first documents of each language, so many that all of them together have ``words`` words.

    Raises:
        XferError: languages that have fewer than their part.
    """
    if words is None:
        return texts
    each, kept, short = words / max(len(texts), 1), {}, []
    for code, rows in texts.items():
        total, stop = 0, 0
        documents = rows["text"][:]
        while stop < len(documents) and total < each:
            total, stop = total + len(documents[stop].split()), stop + 1
        if total < each:
            short.append(f"{code}: {total:,}")
        kept[code] = rows.select(range(stop))
    if short:
        raise XferError(
            f"text_words={words}: {each:,.0f} words of each language are asked for, and there are fewer "
            f"({', '.join(short)}).",
            "Ask for fewer words, or leave these languages out: text_languages=…",
        )
    return kept


def _declared(text: str) -> bool:
    """Whether ``text`` names raw text of the catalogue; a folder of that name goes first."""
    return not Path(text).is_dir() and text in TASKS and "text" in TASKS.get(text).uses


def _hub(task: Task) -> dict[str, Rows]:
    locate = origins.hub().locate
    return {code: locate(task, task.sources["hub"][0], 0, "train", code) for code in task.train_languages}


def _mini(text: str) -> dict[str, Rows]:
    mini, params = origins.mini(), MINI[text]
    identity = f"mini:{mini.VERSION}:text:{json.dumps(params)}"
    return {code: Rows(TASK, "train", code, "mini", "mini", identity, params) for code in mini.languages()}


def _folder(text: str, wanted: list[str] | None) -> dict[str, Rows]:
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise XferError(
            f"text={text}: {looked_for(text, 'folder')}",
            (
                f"Accepted: {', '.join(MINI)}, a folder of <language>.txt with one document per line, or "
                f"{', '.join(t.name for t in TASKS if 'text' in t.uses)}."
            ),
        )
    problems, files = Problems(), {}
    for path in sorted(folder.glob("*.txt")):
        try:
            code = table.get(path.stem).code
        except XferError as error:
            problems.add(f"{path}: {error.what}", f"Files are named after their language. {error.hint}")
            continue
        if code in files:
            problems.add(f"{path} and {files[code].name} are both {code}.")
        elif wanted is None or code in wanted:
            try:
                ordinary(path)
            except XferError as error:
                problems.add(error)
            files[code] = path
    problems.raise_if_any()
    if not files and wanted is None:
        raise XferError(
            f"text={text}: the folder holds no <language>.txt.",
            "One file per language, one document per line: en.txt, sw.txt …",
        )
    return {
        code: Rows(
            TASK, "train", code, "folder", str(path), f"sha256:{file_digest(path)}", paths=(str(path),)
        )
        for code, path in files.items()
    }

"""Which phases an edit of a module makes again: real phases and hashes, edited texts, nothing trained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache

import pytest

from mlflow_xfer import code, params
from mlflow_xfer.data import readers
from mlflow_xfer.data.reading import cached
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.phases.code import code_hash
from mlflow_xfer.phases.phase import BaseModel, Phase
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.tasks.task import Files, Hub, Task

parsed = cache(code.parsed)


@cache
def texts():
    return code.read_texts(code.ROOT)


def edited(module, text="\nANSWER = 42\n"):
    """This package with ``text`` put at the end of a module, which is made where it is missing."""
    name = f"mlflow_xfer.{module}"
    return code.Program(
        {key: parsed(value) for key, value in (texts() | {name: texts().get(name, "") + text}).items()}
    )


@pytest.fixture
def changed(monkeypatch):
    """The names of those phases whose code is another one with an edit."""

    def found(phases, module, text="\nANSWER = 42\n"):
        hashes = []
        for text_ in ("", text):
            program = edited(module, text_)
            monkeypatch.setattr(code, "program", lambda program=program: program)
            hashes.append({name: code_hash(phase) for name, phase in phases.items()})
        before, after = hashes
        return {name for name in phases if before[name] != after[name]}

    return found


# -- a chain of the embedded suite -------------------------------------------------------------------------
def planned(**typed):
    plan = make_plan("transfer", params.parse("transfer", typed), References(lambda: None))
    return {
        f"{phase.procedure} {'+'.join(task.name for task in phase.tasks)}".strip(): phase
        for phase in plan.phases
    }


@pytest.fixture(scope="module")
def chain():
    return planned(intermediate="nli", target="pos,qa,choice,retrieval")


SCORED = {"evaluate pos", "evaluate qa", "evaluate choice", "evaluate retrieval"}
TUNED = {"target pos", "target qa", "target choice"}
AFTER_BASE = {"intermediate nli"} | TUNED | SCORED
ALL = AFTER_BASE | {"pretrain"}


@pytest.mark.parametrize(
    ("module", "again"),
    [
        ("kinds.tagging.data", {"target pos", "evaluate pos"}),
        ("kinds.tagging.model", {"target pos", "evaluate pos"}),
        ("kinds.tagging.scoring", {"evaluate pos"}),
        ("kinds.span_qa.data", {"target qa", "evaluate qa"}),
        ("kinds.span_qa.model", {"target qa", "evaluate qa"}),
        ("kinds.span_qa.scoring", {"evaluate qa"}),
        ("kinds.multiple_choice.data", {"target choice", "evaluate choice"}),
        ("kinds.multiple_choice.model", {"target choice", "evaluate choice"}),
        ("kinds.multiple_choice.scoring", {"evaluate choice"}),
        ("kinds.retrieval.data", {"evaluate retrieval"}),
        ("kinds.retrieval.model", {"evaluate retrieval"}),
        ("kinds.retrieval.scoring", {"evaluate retrieval"}),
        ("kinds.classification.data", AFTER_BASE),
        ("kinds.classification.model", AFTER_BASE),
        ("kinds.classification.scoring", set()),
        ("kinds.language_model.data", ALL),
        ("kinds.language_model.model", ALL),
        ("data.mini.grammar", ALL),
        ("data.mini", ALL),
        ("data.hub", set()),
        ("data.canonical", ALL),
        ("data.encode", ALL),
        ("data.mixing", ALL),
        ("training.trainer", ALL),
        ("training.progress", set()),
        ("models.heads", ALL),
        ("models.merge", set()),
        ("phases.train", ALL),
        ("phases.evaluate", SCORED),
        ("phases.execute", set()),
        ("phases.code", set()),
        ("scoring.score", SCORED),
        ("kinds.kind", set()),
        ("durable.files", set()),
        ("tracking.writer", set()),
        ("tasks.nli", set()),
        ("params", set()),
        ("code", set()),
        ("cli", set()),
    ],
)
def test_an_edit_makes_again_exactly_what_stands_on_it(chain, changed, module, again):
    assert set(chain) == ALL
    assert changed(chain, module) == again


@pytest.mark.parametrize("text", ["\n# a comment\n", "\n\n\n"])
def test_comments_do_not_count(chain, changed, text):
    assert not changed(chain, "training.trainer", text)


def test_docstrings_do_not_count():
    plain = parsed("def f():\n    return 1\n")
    assert plain == parsed('"""Words."""\n\ndef f():\n    """Words."""\n    return 1\n')
    assert plain != parsed("def f():\n    return 2\n")


def test_a_merge_stands_on_its_models_and_on_no_reader(chain, changed):
    phases = planned(intermediate="nli,types", combine="merge", target="pos")
    merge = phases["merge nli+types"]
    alone = {"merge": Phase("intermediate", merge.settings, 0, merge.tasks, (), ())}
    for module, mine in (
        ("models.merge", True),
        ("phases.merge", True),
        ("kinds.tagging.model", True),
        ("kinds.span_qa.model", False),
        ("kinds.tagging.data", False),
        ("data.mini", False),
        ("data.readers", False),
        ("data.reading", False),
        ("training.trainer", False),
    ):
        assert changed(alone, module) == ({"merge"} if mine else set()), module
    assert "merge nli+types" in changed(phases, "training.trainer"), "through the models that it merges"


# -- readers -----------------------------------------------------------------------------------------------
def reading(source, kind="tagging", provider="file", **more):
    task = Task("mine", kind, "tag_f1", ("en",), {provider: (source,)})
    rows = Rows("mine", "train", "en", provider, "there", "sha256:0")
    return Phase("target", TrainingSettings(), 0, (task,), (rows,), (BaseModel("m", "m"),), **more)


@cache
def by_format():
    hub_alone = {"answer-sentences"}
    return {
        form: reading(Hub("a/b", format=form), provider="hub")
        if form in hub_alone
        else reading(Files({}, format=form))
        for form in readers.names()
    }


ALSO = {
    "lines": {"text"},
    "squad": {"tydiqa"},
    "lareqa": {"answer-sentences"},
    "_table": {"tsv", "csv"},
    "_fields": {"bucc", "words-tags"},
    "_objects": {"xcopa", "checklist", "mewsli-mentions", "mewsli-pairs", "mewsli-entities"},
    "_mewsli": {"mewsli-entities", "mewsli-mentions", "mewsli-pairs"},
}


@pytest.mark.parametrize("form", [*readers.names(), "_table", "_fields", "_objects", "_mewsli"])
def test_an_edit_of_a_reader_makes_again_exactly_what_reads_its_format(changed, form):
    mine = {form} if form in readers.names() else set()
    assert changed(by_format(), f"data.readers.{form.replace('-', '_')}") == mine | ALSO.get(form, set())


def test_rows_of_the_hub_stand_on_the_hub_and_on_the_reader_of_their_copies(changed):
    phases = {"plain": reading(Hub("a/b"), provider="hub"), "file": reading(Files({}, format="mewsli-pairs"))}
    phases["pairs"] = reading(Hub("a/b", format="mewsli-pairs"), provider="hub")
    assert changed(phases, "data.hub") == {"plain", "pairs"}
    assert changed(phases, "data.readers.mewsli_pairs") == {"pairs", "file"}


@pytest.mark.parametrize("where", ["excludes", "selection"])
def test_tasks_that_are_left_out_or_select_count_too(changed, where):
    other = reading(Files({}, format="squad"), "span_qa")
    with_other = reading(Files({}, format="conll"), **{where: ((other.tasks[0], other.rows[0]),)})
    phases = {"with": with_other, "without": reading(Files({}, format="conll"))}
    for module in ("kinds.span_qa.data", "kinds.span_qa.model", "data.readers.squad"):
        assert changed(phases, module) == {"with"}, module


def test_a_kind_stands_on_the_one_whose_heads_answer_it(changed):
    phases = {
        "spans": reading(Files({}, format="squad"), "span_qa"),
        "cases": reading(Files({}, format="squad"), "span_cases"),
    }
    for part in ("data", "model"):
        assert changed(phases, f"kinds.span_qa.{part}") == {"spans", "cases"}
        assert changed(phases, f"kinds.span_cases.{part}") == {"cases"}


def test_the_cache_of_rows_is_keyed_by_the_same_code(monkeypatch):
    phases = {form: by_format()[form] for form in ("conll", "squad")}

    def places(module):
        program = edited(module)
        monkeypatch.setattr(code, "program", lambda: program)
        return {form: cached(phase.tasks[0], phase.rows[0]) for form, phase in phases.items()}

    before = places("cli")
    for module, again in (
        ("data.readers.conll", {"conll"}),
        ("kinds.tagging.data", {"conll", "squad"}),
        ("data.canonical", {"conll", "squad"}),
        ("kinds.span_qa.data", set()),
        ("training.trainer", set()),
    ):
        after = places(module)
        assert {form for form in phases if after[form] != before[form]} == again, module


# -- what is remembered ------------------------------------------------------------------------------------
SHOW = "from mlflow_xfer.code import program; print(program().hash(['mlflow_xfer.phases.train']))"


def shown(root):
    return subprocess.check_output([sys.executable, "-c", SHOW], cwd=root, text=True)


def test_what_modules_say_is_remembered_and_a_broken_note_is_not_believed(project, tmp_path, monkeypatch):
    monkeypatch.setenv("XFER_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(project))
    fresh = shown(project)
    (note,) = (tmp_path / "code").iterdir()
    assert len(json.loads(note.read_bytes())) > 100
    for broken in (b"[1]", b'{"a": 1}', note.read_bytes()[:-40]):
        note.write_bytes(broken)
        assert code._remembered(note) == {}
    assert shown(project) == fresh
    assert len(json.loads(note.read_bytes())) > 100, "and is written again"


def test_checkouts_that_share_a_home_keep_notes_of_their_own(project, tmp_path, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(
        project / "mlflow_xfer", other / "mlflow_xfer", ignore=shutil.ignore_patterns("__pycache__")
    )
    with (other / "mlflow_xfer" / "training" / "trainer.py").open("a") as file:
        file.write("\nANSWER = 42\n")
    home = tmp_path / "shared home"
    monkeypatch.setenv("XFER_HOME", str(home))
    hashes, notes = [], {}
    for root in (project, other, project, other):
        monkeypatch.setenv("PYTHONPATH", str(root))
        hashes.append(shown(root))
        notes = {path.name: notes.get(path.name, path.read_bytes()) for path in (home / "code").iterdir()}
    assert hashes[0] == hashes[2] != hashes[1] == hashes[3]
    assert len(notes) == 2 and all(
        path.read_bytes() == notes[path.name] for path in (home / "code").iterdir()
    )

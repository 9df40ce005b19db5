"""From the rows and settings of a phase to the data of its training."""

from __future__ import annotations

import logging

from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.train import task_part


def target(**more):
    typed = {"intermediate": "none", "target": "pos", "languages": "de"}
    plan = make_plan("transfer", read(Transfer, typed | more), References(lambda: None))
    return next(phase for phase in plan.phases if phase.kind == "target")


def test_dev_is_scored_on_so_many_examples_of_each_language(caches):
    """The same ones for every seed; what is trained on does not change."""
    asked = {"select_by": "oracle", "max_dev_examples": 7}
    whole, few, again = (
        task_part(phase := target(**more), phase.tasks[0])
        for more in ({"select_by": "oracle"}, asked, asked | {"seeds": 3})
    )
    assert list(few.train["id"]) == list(whole.train["id"])
    for one, all_of_it, other in (
        (few.dev["en"], whole.dev["en"], again.dev["en"]),
        (few.selection["de"], whole.selection["de"], again.selection["de"]),
    ):
        assert len(one) == 7 < len(all_of_it) and set(one["id"]) < set(all_of_it["id"])
        assert list(one["id"]) == list(other["id"])


def test_how_many_dev_examples_are_scored_is_part_of_a_phase(caches):
    assert target().spec_hash == target(max_dev_examples="none").spec_hash
    assert target().spec_hash != target(max_dev_examples=7).spec_hash


def test_a_checkpoint_that_no_dev_rows_select_is_said(caches, tmp_path, caplog):
    (tmp_path / "xnli").mkdir()
    for name in ("train-en", "test-en"):
        (tmp_path / "xnli" / f"{name}.tsv").write_text("a\tb\tneutral\nc\td\tentailment\n")
    typed = {"target": "xnli", "data": str(tmp_path), "languages": "en"}
    with caplog.at_level(logging.WARNING):
        phase = target(**typed)
        task_part(phase, phase.tasks[0])
    assert "xnli has no validation rows in en, so the last step is kept" in caplog.text
    caplog.clear()
    task_part(target(), target().tasks[0])
    assert not caplog.text

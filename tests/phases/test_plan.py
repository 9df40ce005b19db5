"""Plans: names and files become phases, each once; replicates share what they should and nothing else."""

from __future__ import annotations

import random

import pytest

from mlflow_xfer import params
from mlflow_xfer.conditions.totals import by_task, suite_metrics
from mlflow_xfer.conditions.transfers import name as named
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases.phase import FinishedRun
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.record import phase_tags
from mlflow_xfer.phases.references import References
from mlflow_xfer.tasks.catalogue import SUITES, TASKS
from mlflow_xfer.tasks.task_file import load_task_file
from tests.families import make_model


def no_store():
    raise AssertionError("nothing here needs the store")


def planned(verb="transfer", tasks=None, **typed):
    return make_plan(verb, params.parse(verb, typed), References(no_store), tasks)


def labels(plan):
    return [phase.label for phase in plan.phases]


def test_the_chain_in_order_each_phase_once():
    plan = planned(intermediate="nli", target="pos,retrieval")
    kinds = [phase.kind for phase in plan.phases]
    assert kinds == ["pretrain", "intermediate", "target", "evaluate", "evaluate"]
    pos, retrieval = plan.transfers[0].targets["pos"], plan.transfers[0].targets["retrieval"]
    assert [p.kind for p in pos] == ["target", "evaluate"] and [p.kind for p in retrieval] == ["evaluate"]
    assert retrieval[0].inputs[0].kind == "intermediate"  # straight from the backbone


def test_replicates_share_the_base_and_differ_from_intermediate_on():
    plan = planned(intermediate="nli", target="pos", seeds="1,2")
    first, second = plan.transfers
    assert first.before[0].spec_hash == second.before[0].spec_hash
    assert not {p.spec_hash for p in first.phases[1:]} & {p.spec_hash for p in second.phases[1:]}
    assert sum(phase.kind == "pretrain" for phase in plan.phases) == 1


def test_crossed_base_seeds_make_their_own_bases():
    plan = planned(intermediate="none", target="pos", seeds="1,2", base_seeds="5,6")
    assert len(plan.transfers) == 4
    assert sum(phase.kind == "pretrain" for phase in plan.phases) == 2


@pytest.mark.parametrize("intermediate", ["none", "nli"])
def test_base_seeds_that_make_no_base_are_refused(tmp_path, intermediate):
    model = str(make_model("BERT", tmp_path / "bert", random.Random(0)))
    asked = {"model": model, "intermediate": intermediate, "target": "choice", "seeds": "1,2"}
    with pytest.raises(XferError, match="(?s)base_seeds=0,1: model=.*/bert without text.*count 2 times"):
        planned(**asked, base_seeds="0,1")
    assert len(planned(**asked, base_seeds="3").transfers) == 2
    for typed in ({"text": "mini"}, {"text": "mini", "model": "scratch:xlm-roberta:tiny"}):
        made = planned(**(asked | typed), base_seeds="0,1")
        assert len({transfer.plan_hash for transfer in made.transfers}) == 4


def test_the_evaluation_of_a_run_has_its_seeds_and_the_hash_of_ever():
    def evaluated(seed, **marks):
        run = FinishedRun("run", "0" * 32, "spec", "code", "target", ("choice",), marks, seed=seed)
        asked = params.parse("evaluate", {"model": "run", "target": "choice", "seed": "5"})
        return make_plan("evaluate", asked, lambda *_: run).requested[0]

    known, unknown = evaluated(21, **{"xfer.base_seed": "1"}), evaluated(None)
    assert known.spec_hash == unknown.spec_hash
    assert phase_tags(known, "")["xfer.seed"] == "21" and phase_tags(known, "")["xfer.base_seed"] == "1"
    assert phase_tags(unknown, "")["xfer.seed"] == "5" and "xfer.base_seed" not in phase_tags(unknown, "")
    chain = planned(intermediate="none", target="choice", base_seeds="0,2").requested
    assert [phase_tags(phase, "").get("xfer.base_seed") for phase in chain] == [None, "2"]


def test_verbs_share_phases_with_the_chain():
    chain = {phase.spec_hash for phase in planned(intermediate="nli", target="pos", seeds="3").phases}
    assert planned("intermediate", intermediate="nli", seed="3").requested[0].spec_hash in chain
    assert planned("pretrain").requested[0].spec_hash in chain


def test_the_set_of_intermediates_has_no_order_unless_sequential():
    from mlflow_xfer.tasks.catalogue import TASKS

    names = [task.name for task in TASKS if "intermediate" in task.uses and "mini" in task.sources][:2]
    ab, ba = (
        planned("intermediate", intermediate=",".join(order)).requested[0] for order in (names, names[::-1])
    )
    assert ab.spec_hash == ba.spec_hash
    ab, ba = (
        planned("intermediate", intermediate=",".join(order), combine="sequential").requested[0]
        for order in (names, names[::-1])
    )
    assert ab.spec_hash != ba.spec_hash and ab.inputs[0].kind == "intermediate"


def test_a_merge_is_a_phase_over_the_phases_of_its_tasks():
    merged = planned(intermediate="types,attribute,nli", combine="merge", target="pos,retrieval")
    base, *models, merge = merged.transfers[0].before
    assert [phase.label for phase in models] == [
        "intermediate attribute s0",
        "intermediate nli s0",
        "intermediate types s0",
    ]
    assert all(phase.inputs[0].spec_hash == base.spec_hash for phase in models)
    assert merge.inputs == tuple(models) and merge.procedure == "merge" and merge.kind == "intermediate"
    assert (
        merged.transfers[0].intermediates == ("attribute", "nli", "types")
        and merged.transfers[0].combine == "merge"
    )
    assert merge.root() is base.root() and labels(merged).index(merge.label) > max(
        labels(merged).index(p.label) for p in models
    )

    subset = planned(intermediate="nli,types", combine="merge", target="pos")
    assert {phase.spec_hash for phase in subset.transfers[0].before[1:3]} < {
        phase.spec_hash for phase in models
    }
    alone, joint = (
        planned(intermediate="nli", combine=how, target="pos").plan_hash for how in ("merge", "joint")
    )
    assert alone == joint, "a merge of one task is that task's phase"
    assert models[1].spec_hash in {
        phase.spec_hash for phase in planned(intermediate="nli", target="pos").phases
    }


@pytest.mark.parametrize("method", ["task_arithmetic", "ties"])
def test_task_vectors_need_what_the_models_began_as(method):
    plan = planned(
        intermediate="nli,types",
        combine="merge",
        merge_method=method,
        target="retrieval",
        control="random",
        mlm_share="0.2",
    )
    base, one, two, merge = plan.transfers[0].before
    assert [source.spec_hash for source in merge.inputs] == [base.spec_hash, one.spec_hash, two.spec_hash]
    assert {phase.settings.control_seed for phase in (one, two, merge)} == {0}
    assert plan.phases[-1].settings.control == "none"
    assert one.settings.mlm_share == two.settings.mlm_share == 0.2 and not merge.rows


@pytest.mark.parametrize("by", ["label_free", "oracle"])
def test_dev_rows_of_the_evaluated_languages_select(by):
    plan = planned(intermediate="none", target="pos,retrieval", languages="en,de,tr", select_by=by)
    (target,) = [phase for phase in plan.phases if phase.kind == "target"]
    assert {(task.name, rows.split, rows.language) for task, rows in target.selection} == {
        ("pos", "validation", "de"),
        ("pos", "validation", "tr"),
    }
    assert {rows.language for rows in target.rows} == {"en"} and by in target.label
    names = [phase.label for phase in plan.phases if phase.kind == "evaluate"]
    assert names == (
        ["evaluate pos oracle", "evaluate retrieval"]
        if by == "oracle"
        else ["evaluate pos", "evaluate retrieval"]
    )
    named = planned(
        intermediate="none", target="mood", train_on="polarity", languages="en,de", select_by=by
    ).phases[1]
    assert named.tasks[0].name == "polarity" and [rows.task for _, rows in named.selection] == ["mood"]


def test_what_is_not_zero_shot_is_no_part_of_a_suites_totals():
    asked = {"intermediate": "none", "target": "mood"}
    scores = {"mood": dict.fromkeys(TASKS.get("mood").languages, 50.0)}
    found = suite_metrics(planned(**asked), scores)
    assert found["mini/mood"] == 50.0 and "selected/mood" not in found, "one fact, once"
    uneven = {language: 50 + n / 7 for n, language in enumerate(reversed(scores["mood"]))}
    assert "selected/mood" not in suite_metrics(planned(**asked), {"mood": uneven}), "added in another order"
    assert by_task(found) == by_task({"selected/mood": 50.0, "selected/avg_low": 1.0}) == {"mood": 50.0}
    for typed, titled in (
        ({"target_shots": "8"}, " 8 shots "),
        ({"select_by": "oracle"}, " oracle "),
        ({"train_on": "polarity"}, ""),
    ):
        plan = planned(**asked, **typed)
        assert set(suite_metrics(plan, scores)) == {
            "selected/mood",
            "selected/avg",
        } and titled in named(plan.transfers[0])
    alone = planned(target="mood,retrieval", target_shots="8", languages="en,de")
    assert [one.settings.target_shots for one in alone.phases if one.kind == "target"] == [8]
    for unused in ({"target": "mood", "languages": "en"}, {"target": "retrieval"}):
        with pytest.raises(XferError, match="target_shots=8 are rows of evaluated languages"):
            planned(**unused, intermediate="none", target_shots="8")
    few = planned(**asked, target_shots="8").phases[1]
    assert few.label == "target mood 8 shots s0" and len({rows.language for rows in few.rows}) == len(
        scores["mood"]
    )


def test_a_control_starts_from_random_weights_after_the_base():
    plan = planned(intermediate="nli", target="pos,retrieval", control="random")
    by_kind = {phase.kind: phase for phase in plan.phases}
    assert by_kind["intermediate"].settings.control == "random"
    assert by_kind["target"].settings.control == by_kind["pretrain"].settings.control == "none"
    baseline = planned(intermediate="none", target="retrieval", control="random")
    assert baseline.phases[-1].settings.control == "random"


def test_a_control_needs_no_text_to_have_random_weights():
    typed = {"intermediate": "none", "target": "choice", "text": "none", "model": "scratch:xlm-roberta:tiny"}
    plan = planned(**typed, control="random")
    assert [phase.kind for phase in plan.phases] == ["target", "evaluate"]
    with pytest.raises(XferError, match="no text to learn from"):
        planned(**typed)


def test_squads_dev_set_never_selects_for_its_translations(tmp_path):
    for name in ("squad/train-v1.1.json", "squad/dev-v1.1.json", "xquad/xquad.en.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"data": []}')
    typed = {
        "model": "scratch:xlm-roberta:tiny",
        "text": "mini",
        "data": str(tmp_path),
        "intermediate": "none",
        "target": "xquad",
    }
    with pytest.raises(XferError, match="by its own test rows"):
        planned(**typed, train_on="squad")
    assert planned(**typed, train_on="squad", select_by="last").phases[1].settings.select_by == "last"
    (tmp_path / "own.yaml").write_text(
        "tasks: {own: {kind: span_qa, dev_of: xquad, files: {train: squad/train-v1.1.json, validation: "
        "squad/dev-v1.1.json}}}"
    )
    with pytest.raises(XferError, match="they are own's dev set"):
        planned(
            **typed, train_on="own", tasks={task.name: task for task in load_task_file(tmp_path / "own.yaml")}
        )
    assert {rows.paths[0].rsplit("/", 1)[1] for rows in planned(**typed).phases[1].rows} == {
        "train-v1.1.json"
    }


def test_every_fault_is_reported_at_once():
    with pytest.raises(XferError) as caught:
        planned(intermediate="nlii", target="poss", languages="de,xxx")
    text = str(caught.value)
    assert (
        text.startswith("3 problems")
        and "'nlii'" in text
        and "'poss'" in text
        and "'xxx'" in text
        and "'nli'" in text
    )


@pytest.mark.parametrize(
    ("verb", "typed", "says"),
    [
        ("intermediate", {"intermediate": "none"}, "nothing to train"),
        ("intermediate", {"intermediate": "retrieval"}, "cannot be used as intermediate"),
        (
            "intermediate",
            {"intermediate": "nli,types", "combine": "merge", "model": "scratch:llama:tiny"},
            "another tokenizer",
        ),
        (
            "transfer",
            {"intermediate": "nli,types", "combine": "merge", "merge_density": "0"},
            "merge_density=0",
        ),
        ("target", {"target": "retrieval"}, "nothing to train"),
        ("evaluate", {"target": "pos"}, "no head for 'pos'"),
        ("pretrain", {"text": "none"}, "nothing to pre-train on"),
        ("transfer", {"data": "nowhere"}, "no such folder"),
        ("transfer", {"target": "pos", "languages": "false"}, "Quote it"),
        ("transfer", {"target": "pos", "train_on": "nli"}, "cannot train 'pos'"),
        (
            "transfer",
            {"target": "mood", "train_on": "polarity", "target_shots": "8"},
            "target_shots=8 adds rows of 'mood'",
        ),
        ("transfer", {"target": "none"}, "nothing to evaluate"),
        ("transfer", {"target": "pos", "languages": "en", "select_by": "oracle"}, "in no language but 'en'"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_runs(verb, typed, says):
    with pytest.raises(XferError) as caught:
        planned(verb, **typed)
    assert says in str(caught.value) and caught.value.exit_code == 2


def test_a_folder_without_the_files_says_which_it_was_looked_into_for(tmp_path):
    with pytest.raises(XferError) as caught:
        planned("target", target="xnli", data=str(tmp_path), model="scratch:xlm-roberta:tiny")
    assert "Looked for: " in str(caught.value) and f"{tmp_path}/xnli/" in str(caught.value)


def test_a_whole_suite_composes_offline_from_the_hub():
    plan = planned(
        intermediate="none",
        target="xtreme-r",
        suite="xtreme-r",
        data="hub",
        model="scratch:xlm-roberta:tiny",
        text="mini",
    )
    assert set(plan.transfers[0].targets) == set(SUITES.get("xtreme-r").tasks) and not plan.missing
    assert [phase.kind for phase in plan.phases].count("evaluate") == 10 and not any(
        phase.resolved for phase in plan.phases[1:]
    )


def test_what_a_suite_lacks_in_a_folder_is_missing_not_wrong(tmp_path):
    with pytest.raises(XferError, match="No task of suite 'xtreme' has training and test data"):
        planned(intermediate="none", target="xtreme", data=str(tmp_path))
    (tmp_path / "tatoeba").mkdir()
    for side in ("de", "en"):
        (tmp_path / "tatoeba" / f"de-en.{side}").write_text("one\ntwo\n")
    plan = planned(intermediate="none", target="xtreme", data=str(tmp_path))
    assert set(plan.transfers[0].targets) == {"tatoeba"}
    assert (
        set(plan.missing) == set(SUITES.get("xtreme").tasks)
        and "de" not in plan.missing["tatoeba"]
        and len(plan.missing["xnli"]) == 15
    )


def test_files_of_a_folder_that_are_named_otherwise_are_refused(tmp_path):
    (tmp_path / "xnli").mkdir()
    for name in ("train-en", "dev-en", "test-en", "test-zh-CN"):
        (tmp_path / "xnli" / f"{name}.tsv").write_text("a\tb\tneutral\n")
    with pytest.raises(XferError, match=r"test-zh-CN\.tsv is not read: the code of its language is zh"):
        planned(intermediate="none", target="xnli", data=str(tmp_path))


def test_a_misnamed_dev_file_is_refused_too(tmp_path):
    (tmp_path / "xnli").mkdir()
    for name in ("train-en", "dev-EN", "test-en"):
        (tmp_path / "xnli" / f"{name}.tsv").write_text("a\tb\tneutral\n")
    with pytest.raises(XferError, match=r"dev-EN\.tsv is not read: the code of its language is en"):
        planned(intermediate="none", target="xnli", data=str(tmp_path))


def test_other_names_of_a_language_are_the_same_plan():
    usual = planned(intermediate="none", target="pos", languages="de,tr", source_language="en")
    other = planned(intermediate="none", target="pos", languages="DE,tur,deu", source_language="EN")
    assert [one.spec_hash for one in other.phases] == [one.spec_hash for one in usual.phases]
    assert {rows.language for rows in other.requested[0].rows} == {"en", "de", "tr"}


def test_languages_that_a_task_has_not_are_missing():
    plan = planned(intermediate="none", target="pos", languages="de,th,iw")
    assert plan.missing == {"pos": ("th", "he")} and plan.lacking() == ["missing: pos has no data in th he"]


def test_a_file_whose_other_half_is_missing_is_refused(tmp_path):
    (tmp_path / "tatoeba").mkdir()
    for name in ("de-en.de", "de-en.en", "fr-en.fr"):
        (tmp_path / "tatoeba" / name).write_text("one\ntwo\n")
    asked = {"intermediate": "none", "target": "tatoeba", "data": str(tmp_path)}
    says = r"fr-en\.en is not there, and without it these are not read: .*/fr-en\.fr\."
    with pytest.raises(XferError, match=says) as error:
        planned(**asked)
    assert "code of its language" not in str(error.value)
    assert planned(**asked, languages="de").transfers


def test_mining_reads_dev_for_its_threshold(tmp_path):
    (tmp_path / "bucc2018").mkdir()
    for code, split in (("de", "dev"), ("de", "test"), ("fr", "dev")):
        for side in (code, "en", "gold"):
            (tmp_path / "bucc2018" / f"{code}-en.{split}.{side}").write_text("")
    plan = planned("evaluate", model="scratch:xlm-roberta:tiny", target="bucc2018", data=str(tmp_path))
    assert [(rows.language, rows.split) for rows in plan.requested[0].rows] == [
        ("de", "test"),
        ("fr", "validation"),
        ("de", "validation"),
    ]
    (tmp_path / "bucc2018" / "de-en.dev.gold").unlink()
    with pytest.raises(XferError, match="has no validation split in 'de'"):
        planned("evaluate", model="scratch:xlm-roberta:tiny", target="bucc2018", data=str(tmp_path))

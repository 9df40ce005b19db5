"""Worker processes of this host: phases run side by side, and no result depends on what happens to them."""

from __future__ import annotations

import os
import signal

import pytest
from mlflow import MlflowClient
from safetensors.torch import load_file

from mlflow_xfer.conditions.engines.engine import Failed, Finished, Progress, most_threads
from mlflow_xfer.conditions.engines.here import Here
from mlflow_xfer.conditions.engines.local import DEATHS, Local, visible_gpus
from mlflow_xfer.durable.patience import awaited
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.tracking import checkpoints


def runs(store):
    return MlflowClient().search_runs([store.experiment_id])


def statuses(store):
    store.flush()
    return sorted(run.info.status for run in runs(store))


def test_phases_run_once_after_their_inputs_and_one_whose_worker_is_killed_goes_on(store, plan, submit):
    phases = plan().phases
    assert len(phases) == 5
    with Local(store, 2, cores=2) as engine:  # each computes with as many threads as this process
        handles = submit(engine, phases)
        seen, pids, killed = [], set(), False
        for event in engine.events():
            seen.append(event)
            pids |= {one.popen.pid for one in engine.processes}
            if isinstance(event, Progress) and event.step >= 20 and not killed:
                (at_work,) = (one for one in engine.processes if one.job == event.handle)
                os.kill(at_work.popen.pid, signal.SIGKILL)
                killed = True
    finished = [one for one in seen if isinstance(one, Finished)]
    assert {one.handle for one in finished} == set(handles.values()) and len(finished) == 5
    first, *others = finished
    assert first.handle.label == phases[0].label and {one.done.how for one in others} == {"made"}
    assert killed and first.done.how == "resumed" and len(pids) == 3, "the dead worker was replaced"
    assert any(isinstance(one, Progress) and "train/loss" in one.metrics for one in seen)
    assert statuses(store) == ["FINISHED"] * 5 and all(one.spent for one in finished)
    assert not any(alive(pid) for pid in pids)
    with Here(store) as engine:
        submit(engine, phases)
        again = [one.done for one in engine.events()]
        assert [one.how for one in again] == ["reused"] * 5
        assert {one.run_id for one in again} == {one.done.run_id for one in finished}
        submit(engine, phases[:1], reuse="never")
        (alone,) = engine.events()
    one, other = (
        load_file(checkpoints.fetch(store, made) / "model.safetensors")
        for made in (first.done.run_id, alone.done.run_id)
    )
    assert all((one[name] == other[name]).all() for name in one) and one.keys() == other.keys()


@pytest.mark.slow
def test_a_phase_whose_workers_die_without_getting_further_is_given_up(store, plan, submit):
    first, second, *_ = plan().phases
    with Local(store, 1) as engine:
        submit(engine, [first, second])
        deaths = 0
        for event in engine.events():
            if isinstance(event, Progress):
                engine.processes[0].popen.kill()
                deaths += 1
    assert isinstance(event, Failed) and event.error.exit_code == 1
    assert f"{DEATHS} workers ended with it (SIGKILL)" in event.error.what and deaths >= DEATHS
    assert not engine.jobs, "what needs it is not run"


@pytest.mark.slow
@pytest.mark.skipif(bool(visible_gpus()), reason="needs a machine without a GPU")
def test_an_error_travels_and_what_needs_the_phase_is_not_run(store, plan, submit):
    with Local(store, 1) as engine:
        handles = submit(engine, plan().phases, runtime=RuntimeOptions(device="cuda"))
        failed = list(engine.events())
        assert not engine.jobs
    (one,) = failed
    assert one.handle == next(iter(handles.values())) and one.error.exit_code == 2
    assert "torch sees no GPU" in one.error.what and "device=auto" in one.error.hint
    assert statuses(store) == ["FAILED"]


@pytest.mark.slow
def test_a_cancelled_phase_goes_on_when_it_is_wanted_again(store, plan, submit):
    phase, *_ = plan().phases
    with Local(store, 1) as engine:
        (handle,) = submit(engine, [phase]).values()
        for event in engine.events():
            if isinstance(event, Progress) and event.step == 10:
                engine.cancel(handle)
        assert isinstance(event, Failed) and event.error.exit_code == 75
        # The worker waits for nobody when it is stopped: its run ends as soon as that is delivered.
        assert awaited(lambda: statuses(store) == ["KILLED"] or None, 0.05, seconds=30)
        submit(engine, [phase])
        *_, event = engine.events()
    assert event.done.how == "resumed" and statuses(store) == ["FINISHED"]


def test_a_phase_whose_worker_is_told_to_stop_goes_on_unless_it_was_taken_back(store, plan, submit):
    phase, *_ = plan().phases

    def at_step_10(then, **order):
        (handle,) = submit(engine, [phase], **order).values()
        for event in engine.events():
            if isinstance(event, Progress) and event.step == 10:
                then(handle, engine.processes[0].popen)
        return event

    def killed(handle, worker):
        assert engine.cancel(handle)
        worker.kill()

    with Local(store, 1) as engine:
        told = at_step_10(lambda handle, worker: worker.terminate())
        taken_back = at_step_10(killed, reuse="never")
        assert not engine.jobs
    assert isinstance(told, Finished) and told.done.how == "resumed"
    assert isinstance(taken_back, Failed) and taken_back.error.exit_code == 75
    assert statuses(store) == ["FINISHED", "RUNNING"], "nobody went on with what nobody wants"


@pytest.mark.parametrize(("named", "found"), [("0,1", ("0", "1")), ("", ())])
def test_gpus_are_those_that_may_be_used(named, found):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": named}) == found


def test_each_worker_has_as_many_gpus_as_a_phase_has_processes(store):
    local = Local(store, 2, gpus=("0", "1", "2", "3"), each=2)
    assert [local._gpus(number) for number in (0, 1)] == [["0", "1"], ["2", "3"]]
    assert Local(store, 2, gpus=("5", "7", "8"), each=2)._gpus(1) == ["8", "5"], "too few: they share one"
    assert Local(store, 2, gpus=("5",))._gpus(1) == ["5"]


@pytest.mark.parametrize(("said", "most"), [("1", 1), ("1,4", 1), ("100000", None), ("", None), ("0", None)])
def test_a_phase_computes_with_no_more_threads_than_the_user_says(said, most):
    assert most_threads({"OMP_NUM_THREADS": said}) == (most or os.cpu_count())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

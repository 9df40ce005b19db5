"""``mlflow-xfer predict RUN FILE``: a transfer's own test sentences get the tags that its evaluation
logged.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import mlflow_xfer
from mlflow_xfer import cli
from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tracking.store import Store
from tests.end_to_end.conftest import ENCODER, QUICK


def test_a_transfer_is_tried_on_own_text(tmp_path, client, all_runs, capsys):
    result = mlflow_xfer.transfer(model=ENCODER, **QUICK | {"target": "pos,mood", "intermediate": "none"})
    evaluated = next(
        run for run in all_runs("phase") if run.data.tags["mlflow.runName"].startswith("evaluate pos")
    )
    blocks = (
        Path(client.download_artifacts(evaluated.info.run_id, "predictions/pos/test-de.tsv"))
        .read_text(encoding="utf-8")
        .strip()
        .split("\n\n")
    )
    task = TASKS.get("pos")
    split = sources.subset(
        sources.read(task, sources.locate(task, "test", "de", "mini", seed=0)), QUICK["max_eval_examples"], 0
    )
    file, texts = tmp_path / "own.txt", [" ".join(words) for words in split["words"]]
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")

    found = mlflow_xfer.predict(evaluated.info.run_id, file)
    assert [row["prediction"] for row in found] == [block.split("\n") for block in blocks] and len(
        found
    ) == 20
    with Store.open(sync=False) as store:
        condition = store.start(
            "condition", "two seeds", tags={"xfer.input_run_ids": f"{result.run_id},{result.run_id}"}
        )
    assert (
        mlflow_xfer.predict(result.run_id, file, "pos")
        == mlflow_xfer.predict(condition, file, "pos")
        == found
    )
    with pytest.raises(XferError, match="mood, pos: which of them"):
        mlflow_xfer.predict(result.run_id, file)

    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", result.run_id, str(file), "--task", "pos"])
    lines = capsys.readouterr().out.strip().split("\n")
    assert ended.value.code == 0 and lines[0] == "prediction\twords"
    assert lines[1] == f"{' '.join(found[0]['prediction'])}\t{texts[0]}" and len(lines) == len(texts) + 1
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", result.run_id, str(tmp_path / "none.txt"), "--task", "pos"])
    assert ended.value.code == 2 and "no such file" in capsys.readouterr().err

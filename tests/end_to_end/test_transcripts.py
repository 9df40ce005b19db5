"""What every verb says, in a pipe and on a terminal, beside what it said before (``transcripts/``).

Numbers, ids and places differ between machines and are left out; ``XFER_WRITE_TRANSCRIPTS=1`` writes the
files anew.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_xfer import cli
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.verbs import VERBS
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER

FOLDER = Path(__file__).parent / "transcripts"
TINY = (
    f"--model {ENCODER} --text {TEXTS} --max_steps 2 --train_batch_size 4 --max_train_examples 20 "
    "--languages de --max_eval_examples 8 --workers 1"
)
ONE = f"--model {ENCODER} --text {TEXTS} --max_steps 2 --train_batch_size 4"
COMMANDS = (
    f"pretrain --seed 1 {ONE}",
    f"plan transfer --intermediate attribute --target choice --seeds 0,1 {TINY}",
    f"transfer --intermediate none --target choice --seeds 0,1 {TINY}",
    f"transfer --intermediate attribute --target choice --seeds 0,1 {TINY}",
    "intermediate --intermediate position --max_steps 2 --max_train_examples 20 --train_batch_size 4 "
    "--model 'pretrain de+en · s1'",
    "target --target pos --max_steps 2 --max_train_examples 20 --train_batch_size 4 --languages de "
    "--max_eval_examples 8 --model 'intermediate position · s0'",
    "evaluate --model 'target pos · position · s0' --languages de --max_eval_examples 8",
    "report 'baseline → choice 2 seeds' 'attribute → choice 2 seeds' --question 'Does it help?'",
    "results 'evaluate pos · position · s0'",
    "diff 'evaluate choice · baseline · s0' 'evaluate choice · attribute · s0'",
    "lineage 'evaluate pos · position · s0'",
    "rank --pool attribute,position --target choice --model scratch:xlm-roberta:tiny --text mini "
    "--method size,kind",
    "predict 'target pos · position · s0' two.txt",
    "submission 'evaluate pos · position · s0' --out out --suite mini",
    "score out out --suite mini",
    f"search --pool attribute --target choice --seeds 0 --n_trials 2 --rank_by size --confirm_top 1 "
    f"--confirm_seeds 2 {TINY}",
    "publish 'target pos · position · s0' --out tagger --register tagger",
    f"study --study two.yaml --seeds 0,1 {TINY}",
    "studies two.yaml",
    "claims",
    "tasks attribute",
    "suites mini",
    "languages de,sw",
    "sync",
    "doctor",
)
STUDY = """
name: two
question: Does it help?
shared: {target: choice, seeds: "0,1"}
arms:
  - {name: none, params: {intermediate: none}}
  - {name: attribute, params: {intermediate: attribute}, against: none}
contrasts: [{name: it helps, weights: {attribute: 1, none: -1}, primary: true}]
sd: 3
"""
ELSEWHERE = {"fetch", "gc", "recipe", "repro", "translate"}
"""Verbs that read the network, other models or the state of this machine, or write files: their own tests
show what they print."""


def steady(text: str) -> str:
    """Without what differs between machines and runs."""
    text = re.sub(r"\x1b\[[\d;]*m", "", text)
    text = re.sub(r"; about [\d.]+ (s|min|h) left", "", text)
    text = re.sub(r"(sqlite:)?/[\w./-]*(pytest|tests|mlflow|home)[\w./-]*", "PATH", text)
    text = re.sub(r"\b[0-9a-f]{8,64}\b", "ID", text)
    text = re.sub(r"not calibrated.*|partly calibrated.*|calibrated on.*", "…)", text)
    text = re.sub(r"[+−-]?\d[\d.,]*( million)?", "N", text)
    lines = [" ".join(re.sub(r"[─-]{2,}", "──", line).split()) for line in text.splitlines()]
    return "\n".join(lines).strip() + "\n"


def said(line: str, caplog: pytest.LogCaptureFixture) -> str:
    """The log and the result of a command."""
    caplog.clear()
    found = CliRunner().invoke(cli.cli, shlex.split(line), catch_exceptions=False)
    assert found.exit_code == 0
    verb = line.split()[0]
    if verb in ("doctor", "plan", "predict"):  # what this environment has, and what tiny models make of words
        return f"$ mlflow-xfer {verb}\n{steady(found.stdout).splitlines()[0]}\n"
    return "\n".join([f"$ mlflow-xfer {verb}", steady("\n".join(caplog.messages)), steady(found.stdout)])


def programs_read(line: str) -> None:
    """``--output json``: JSON alone on standard output, with what the command shows otherwise."""
    verb = line.split()[0]
    there = line.replace("--out tagger", "--out elsewhere") if verb == "publish" else line
    found = CliRunner().invoke(cli.cli, [*shlex.split(there), "--output", "json"], catch_exceptions=False)
    said = json.loads(found.stdout)
    if verb == "score":
        assert said["suite"] == "mini" and said["tasks"]
    elif verb == "rank":
        assert set(said["order"]) == {"attribute", "position"}
    else:
        tables = list(said["tables"].values())
        assert re.fullmatch("[0-9a-f]{32}", said["run_id"]) and said["link"].startswith("http")
        assert said["heading"] and tables and all(table and set(table[0]) for table in tables)


@pytest.mark.slow
def test_every_verb(caplog, monkeypatch, tmp_path):
    assert {line.split()[0] for line in COMMANDS} == set(VERBS) - ELSEWHERE
    monkeypatch.setenv("COLUMNS", "200")
    caplog.set_level(logging.INFO, "mlflow_xfer")
    (tmp_path / "two.yaml").write_text(STUDY, "utf-8")
    (tmp_path / "two.txt").write_text("a b\nc d\n", "utf-8")
    transcript = {"pipe": [said(line, caplog) for line in COMMANDS]}
    as_json = [line for line in COMMANDS if "output" in parameters(VERBS[line.split()[0]].shape)]
    assert len(as_json) == 12
    for line in as_json:
        programs_read(line)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    shows = ("transfer", "evaluate", "report", "search", "study")
    transcript["terminal"] = [said(line, caplog) for line in COMMANDS if line.split()[0] in shows]
    for where, parts in transcript.items():
        file, found = FOLDER / f"{where}.txt", "\n".join(parts)
        if os.environ.get("XFER_WRITE_TRANSCRIPTS"):
            FOLDER.mkdir(exist_ok=True)
            file.write_text(found, "utf-8")
        assert found == file.read_text("utf-8")

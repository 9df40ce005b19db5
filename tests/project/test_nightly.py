"""The nightly pieces: all of them stand in the page,
each has a part, and one that has passed is not run again.
"""

from __future__ import annotations

import shlex
import sys

import pytest

from mlflow_xfer.studies.found import studies


@pytest.fixture
def nightly(script):
    return script("benchmarks/nightly.py")


def test_the_page_has_every_declared_piece_and_its_last_run(nightly, project):
    committed = nightly.Nightly(project / "benchmarks", project / ".nightly", "")
    page = committed.page.read_text("utf-8")
    named = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")][
        1:
    ]
    assert named == [piece.name for piece in nightly.PIECES]
    assert page == committed.text(), "refresh with: python benchmarks/nightly.py --write"
    assert {row.result for row in committed.rows()} <= {"passed", "failed", nightly.GOES_ON}


def test_pieces_are_short_and_their_programs_are_there(nightly, project):
    names = [piece.name for piece in nightly.PIECES]
    assert len(names) == len(set(names)) > 5
    for piece in nightly.PIECES:
        assert 0 < piece.minutes <= nightly.LIMIT
        words = shlex.split(piece.command)
        assert all(
            (project / word).exists() for word in words if word.startswith(("benchmarks/", "tests/"))
        ), words


def test_the_parts_are_all_pieces_once(nightly):
    for parts in (1, 3, len(nightly.PIECES) + 1):
        found = [piece for i in range(parts) for piece in nightly.part(nightly.PIECES, f"{i + 1}/{parts}")]
        assert sorted(piece.name for piece in found) == sorted(piece.name for piece in nightly.PIECES)
    for wrong in ("0/3", "4/3", "1", "a/b"):
        with pytest.raises(SystemExit, match="expected i/n"):
            nightly.part(nightly.PIECES, wrong)


def test_what_has_passed_on_this_commit_is_not_run_again(nightly, tmp_path):
    program = (
        "import os, sys; print(os.environ['XFER_SEED']); sys.exit(not os.path.exists(sys.argv[1] + '/ready'))"
    )
    piece = nightly.Piece("waits", shlex.join([sys.executable, "-c", program, "{folder}"]), 1, seed=7)
    runs = nightly.Nightly(tmp_path, tmp_path / "work", "abc", [piece])
    assert "| waits |" in runs.text() and "| not run |" in runs.text()
    assert not runs.run(piece) and not runs.done(piece)
    assert (tmp_path / "work" / "waits" / "log.txt").read_text() == "7\n"
    (tmp_path / "work" / "waits" / "ready").touch()
    assert runs.run(piece) and runs.done(piece)
    assert [row.result for row in runs.rows()] == ["failed", "passed"]
    assert runs.page.read_text() == runs.text() and "| passed |" in runs.text()
    assert not nightly.Nightly(tmp_path, tmp_path / "work", "def", [piece]).done(piece)


def test_every_study_is_a_piece(nightly):
    assert set(nightly.STUDIES) == {name for name, one in studies().items() if one.contrasts}
    named = {piece.name for piece in nightly.PIECES}
    assert {f"study {name}, {how}" for name in nightly.STUDIES for how in ("quick", "registered")} <= named


def test_a_resumable_piece_is_told_to_end_after_its_minutes_and_goes_on(nightly, tmp_path):
    program = (
        "import pathlib, signal, sys, time; there = pathlib.Path(sys.argv[1], 'half'); "
        "signal.signal(signal.SIGTERM, lambda *_: (there.touch(), sys.exit(75))); "
        "there.exists() or time.sleep(60)"
    )
    command = shlex.join([sys.executable, "-c", program, "{folder}"])
    piece = nightly.Piece("long", command, 0.05, resumable=True)
    runs = nightly.Nightly(tmp_path, tmp_path / "work", "abc", [piece])
    assert runs.run(piece) and not runs.done(piece), "it is run again"
    assert runs.run(piece) and runs.done(piece)
    assert [row.result for row in runs.rows()] == [nightly.GOES_ON, "passed"]

"""Files and folders are there whole or not at all, whatever happens to their writer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlflow_xfer.durable import manifest
from mlflow_xfer.durable.files import (
    check_new_folder,
    sweep,
    whole_file,
    whole_folder,
    write_json,
    write_once,
    write_whole,
)
from mlflow_xfer.errors import XferError


def names(folder) -> list[str]:
    """What lies in the folder, the test's home aside."""
    return sorted(path.name for path in folder.iterdir() if path.name != "home")


def test_a_file_replaces_the_earlier_one_at_the_end_only(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_json(path, {"b": 0.1, "a": 1})
    assert path.read_text() == '{\n "a": 1,\n "b": 0.1\n}' and names(path.parent) == ["a.json"]
    with whole_file(path, forced=True) as partial:
        partial.write_bytes(b"later")
        assert path.read_text().startswith("{")
    assert path.read_bytes() == b"later" and names(path.parent) == ["a.json"]


def test_a_writer_that_fails_or_gives_up_changes_nothing(tmp_path):
    path = tmp_path / "a"
    write_whole(path, b"first")
    with pytest.raises(ZeroDivisionError), whole_file(path) as partial:
        partial.write_bytes(b"half")
        raise ZeroDivisionError
    with whole_file(path) as partial:
        partial.write_bytes(b"half")
        partial.unlink()
    assert path.read_bytes() == b"first" and names(tmp_path) == ["a"]


def test_of_several_that_write_once_the_first_wins(tmp_path):
    for content in (b"first", b"second"):
        write_once(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == b"first" and names(tmp_path) == ["a"]


def test_files_have_the_permissions_of_any_other(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_whole(tmp_path / "whole", b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("replace", [True, False])
def test_a_folder_takes_the_place_of_another_only_where_it_should(tmp_path, replace):
    for text in ("first", "second"):
        with whole_folder(tmp_path / "a", replace=replace) as partial:
            (partial / "file").write_text(text)
    assert (tmp_path / "a" / "file").read_text() == ("second" if replace else "first")
    assert names(tmp_path) == ["a"]


def test_a_folder_whose_writer_fails_is_not_there(tmp_path):
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "a") as partial:
        (partial / "file").write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_only_what_nobody_has_touched_for_long_is_swept(tmp_path):
    with whole_file(tmp_path / "b") as old, whole_file(tmp_path / "c") as fresh:
        for partial in (old, fresh):
            partial.write_bytes(b"")
        os.utime(old, (0, 0))
        sweep(tmp_path, 3600)
        assert not old.exists() and fresh.exists()


def test_what_a_dead_process_of_this_host_began_is_swept_at_once(tmp_path):
    begin = (
        "import sys, time; from pathlib import Path\n"
        "from mlflow_xfer.durable.files import whole_file, whole_folder\n"
        "with whole_folder(Path(sys.argv[1]) / 'a') as a, whole_file(Path(sys.argv[1]) / 'b') as b:\n"
        "    (a / 'half').touch(), b.touch(), print(flush=True), time.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", begin, str(tmp_path)], stdout=subprocess.PIPE)
    writer.stdout.readline()
    with whole_folder(tmp_path / "c"):
        sweep(tmp_path, 3600)
        assert len(names(tmp_path)) == 3
        writer.kill()
        writer.wait()
        sweep(tmp_path, 3600)
        assert [name.startswith(".c.") for name in names(tmp_path)] == [True]


def test_a_sealed_folder_counts_as_long_as_it_is_whole(tmp_path):
    folder = tmp_path / "step-1"
    with manifest.sealed_folder(folder) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "weights").write_bytes(b"1234")
    assert manifest.is_whole(folder)
    listed = manifest.load((folder / manifest.FILE).read_text())
    assert listed == {"inner/weights": manifest.Listed("", 4)}
    (folder / "inner" / "weights").write_bytes(b"123")
    assert not manifest.is_whole(folder)
    (folder / manifest.FILE).unlink()
    assert not manifest.is_whole(folder)


def test_a_new_folder_is_taken_and_nothing_is_left_of_the_look(tmp_path):
    here = tmp_path / "here"
    (here / "empty").mkdir(parents=True)
    for new in ("empty", "new", "new/below/it"):
        check_new_folder("out", here / new)
    assert list(here.iterdir()) == [here / "empty"]


def test_what_is_there_is_never_written_over(tmp_path):
    (tmp_path / "file").write_text("a")
    for place, says in ((tmp_path / "file", "a file"), (tmp_path, "the folder is not empty")):
        with pytest.raises(XferError, match=f"out=.*: there is something already: {says}"):
            check_new_folder("out", place)


def test_where_no_folder_can_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("a")
    for place, says in (
        (tmp_path / "file" / "x", "Not a directory"),
        (tmp_path / "file" / "x" / "y", "Not a directory"),
        ("/proc/x", "No such file or directory|Permission denied"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "a\0b", "null"),
    ):
        with pytest.raises(XferError, match=f"(?s)no folder can be made there .*({says})"):
            check_new_folder("out", tmp_path / place)

"""The verb fetch, against a web server of this host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlflow_xfer import api
from mlflow_xfer.data import sources
from mlflow_xfer.data.fetching import archives, download, layouts
from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.lookups import Fetch
from mlflow_xfer.params.verbs import VERBS
from mlflow_xfer.tasks.catalogue import TASKS

PAWSX = "/storage.googleapis.com/paws/pawsx/x-final.tar.gz"


def fetch(site, **given) -> str:
    return api.fetch(mirror=site.address, **given)


def test_the_command_takes_what_the_readme_says():
    assert VERBS["fetch"].read({"suite": "xtreme", "tasks": "xnli,pawsx"}) == Fetch(tasks=("xnli", "pawsx"))


@pytest.mark.parametrize(
    ("task", "language", "splits"),
    [
        ("xnli", "sw", ("test",)),
        ("mnli", "en", ("train", "validation")),
        ("pawsx", "ko", ("test",)),
        ("pawsx", "en", ("train", "validation", "test")),
        ("udpos", "de", ("train", "validation", "test")),
        ("panx", "uk", ("train", "validation", "test")),
        ("squad", "en", ("train", "validation")),
        ("xquad", "ro", ("test",)),
        ("xquad", "en", ("train", "validation", "test")),
        ("mlqa", "hi", ("validation", "test")),
        ("tydiqa", "sw", ("test",)),
        ("tydiqa", "en", ("train", "validation", "test")),
        ("bucc2018", "zh", ("validation", "test")),
        ("tatoeba", "sw", ("test",)),
        ("tatoeba", "pl", ("test",)),
    ],
)
def test_what_is_fetched_is_read_with_its_labels(published, task, language, splits):
    fetch(published, tasks=task)
    for split in splits:
        rows = sources.locate(TASKS.get(task), split, language, "download")
        assert rows is not None and sources.check(TASKS.get(task), rows) == [], split
        assert len(sources.read(TASKS.get(task), rows)) > 0


def test_every_data_set_is_fetched_once(published):
    said = fetch(published)
    assert len(archives.DATA_SETS) == 10 and all(
        Path("download", name).is_dir() for name in archives.DATA_SETS
    )
    assert "CC BY-NC 4.0" in said and "--data download" in said and "ccg" in said
    assert sorted(path.name for path in Path("download").iterdir()) == sorted(
        [*archives.DATA_SETS, "fetched.json"]
    )
    before = len(published.asked)
    assert "fetched before" in fetch(published) and len(published.asked) == before


def test_rows_are_as_published(published):
    fetch(published, tasks="xnli,udpos,panx")
    assert Path("download/xnli/test-sw.tsv").read_text() == (
        'A "cat" sat.\tA cat\tneutral\nA "cat" sat.\tA cat\tcontradiction\n'
    )
    assert Path("download/xnli/train-en.tsv").read_text().endswith("It's dry.\tcontradiction\n")
    assert Path("download/udpos/test-de.tsv").read_text() == "zum\tADP\nHaus\tNOUN\n\n" * 2
    assert not list(Path("download/udpos").glob("*-cs.tsv"))
    assert Path("download/panx/dev-sw.tsv").read_text() == ("Nairobi\tB-LOC\nni\tO\nmji\tO\n\na:b\tB-ORG\n\n")


def test_an_answer_that_breaks_off_is_gone_on_with(published, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 25)
    published.breaks = 50
    fetch(published, tasks="pawsx")
    assert [asked for asked in published.asked if asked[0] == PAWSX] == [(PAWSX, ""), (PAWSX, "bytes=50-")]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_command_that_was_stopped_goes_on(published, ranges):
    published.ranges = ranges
    left = Path("download/.archives/pawsx/x-final.tar.gz")
    left.parent.mkdir(parents=True)
    left.write_bytes(published.files[PAWSX][:70])
    fetch(published, tasks="pawsx")
    assert published.asked == [(PAWSX, "bytes=70-")]
    assert Path("download/pawsx/test-ko.tsv").read_text() == "One two.\tTwo one.\t1\nOne two.\tThree.\t0\n"


def test_a_file_that_was_whole_is_not_taken_again(published):
    left = Path("download/.archives/pawsx/x-final.tar.gz")
    left.parent.mkdir(parents=True)
    left.write_bytes(published.files[PAWSX])
    fetch(published, tasks="pawsx")
    assert len(published.asked) == 1 and Path("download/pawsx").is_dir()


def test_other_bytes_are_refused_and_removed(published):
    published.files[PAWSX] = published.files[PAWSX][:-1] + b"?"
    with pytest.raises(
        XferError, match="(?s)x-final.tar.gz: its sha256 is .* expected .*google-research-datasets"
    ):
        fetch(published, tasks="pawsx")
    assert not Path("download/pawsx").exists() and not list(Path("download").rglob("x-final*"))


def test_without_a_published_checksum_the_first_one_counts(published):
    path = "/github.com/facebookresearch/LASER/raw/main/data/tatoeba/v1/tatoeba.swh-eng.swh"
    fetch(published, tasks="tatoeba")
    for file in Path("download/tatoeba").iterdir():
        file.unlink()
    Path("download/tatoeba").rmdir()
    assert "recorded " in fetch(published, tasks="tatoeba", dry_run=True)
    published.files[path] += b"another line\n"
    with pytest.raises(XferError, match="swh: its sha256"):
        fetch(published, tasks="tatoeba")


def test_a_changed_file_is_told(published):
    fetch(published, tasks="pawsx")
    Path("download/pawsx/dev-de.tsv").write_text("edited")
    with pytest.raises(XferError, match="(?s)dev-de.tsv is not as it was fetched.*Remove"):
        fetch(published, tasks="pawsx")


def test_a_folder_of_ones_own_stays(published):
    Path("download/pawsx").mkdir(parents=True)
    assert "there, not by fetch" in fetch(published, tasks="pawsx")
    assert not published.asked and not list(Path("download/pawsx").iterdir())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_closed_address_is_told_with_its_page(published, status):
    published.status = status
    with pytest.raises(
        XferError, match=f"(?s){status}.*closed or gone.*github.com/google-research-datasets/paws"
    ):
        fetch(published, tasks="pawsx")


def test_a_server_that_is_away_may_be_tried_again(published, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_S", 0.0)
    published.status = 503
    with pytest.raises(XferError, match="cannot be reached") as stopped:
        fetch(published, tasks="pawsx")
    assert stopped.value.exit_code == 75


def test_a_layout_that_fails_leaves_no_folder(published, monkeypatch):
    write = layouts._write

    def full(path, rows):
        write(path, rows)
        raise OSError("no space left")

    monkeypatch.setattr(layouts, "_write", full)
    with pytest.raises(OSError, match="no space"):
        fetch(published, tasks="pawsx")
    assert not Path("download/pawsx").exists() and Path("download/.archives/pawsx/x-final.tar.gz").is_file()


def test_a_dry_run_takes_nothing(published):
    said = fetch(published, dry_run=True)
    assert (
        "to fetch" in said and "published" in said and not published.asked and not Path("download").exists()
    )


def test_what_cannot_be_fetched_is_told():
    with pytest.raises(
        XferError, match="(?s)ccg cannot be fetched: it needs a licence of the LDC.*'xnil'.*'xnli'"
    ):
        api.fetch(tasks="ccg,xnil")


def test_a_damaged_lock_file_is_told(published):
    Path("download/pawsx").mkdir(parents=True)
    Path("download/fetched.json").write_text(json.dumps([]))
    with pytest.raises(XferError, match="fetched.json: does not read"):
        fetch(published, tasks="pawsx")


def test_checksums_look_like_sha256():
    found = [
        archive.sha256 for one in archives.DATA_SETS.values() for archive in one.archives if archive.sha256
    ]
    assert len(found) == len(set(found)) == 30 and all(len(one) == 64 for one in found)


@pytest.mark.slow
def test_published_checksums_are_those_of_real_files(real_data):
    """XQuAD lies there byte for byte."""
    found = {path.name: path for path in (real_data / "xtreme" / "xquad").glob("xquad.*.json")}
    known = {archive.name: archive for archive in archives.DATA_SETS["xquad"].archives}
    assert len(found) >= 10
    for name, path in found.items():
        assert (file_digest(path), path.stat().st_size) == (known[name].sha256, known[name].size), name

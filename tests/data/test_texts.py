"""Raw text: one file per language, one document per line."""

from __future__ import annotations

import os

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError


def test_languages_are_file_names(put, folder):
    put("en.txt", "one\n\ntwo\u2028still two\r\n")
    put("no.txt", "en\n")
    put("README.md", "not text")
    found = sources.load_texts(folder, None)
    assert list(found) == ["en", "no"]
    assert sources.read_text(found["en"]).to_list() == [
        {"id": "0", "text": "one"},
        {"id": "1", "text": "two\u2028still two"},
    ]
    assert found["no"].spec()["split"] == "train" and found["no"].identity.startswith("sha256:")
    assert list(sources.load_texts(folder, ["no"])) == ["no"]


def test_unknown_names_are_refused_all_at_once(put, folder):
    for name in ("en", "finnish", "qq"):
        put(f"{name}.txt", "x\n")
    with pytest.raises(XferError, match=r"2 problems(.|\n)*finnish.txt(.|\n)*'fi'(.|\n)*qq.txt"):
        sources.load_texts(folder, None)


def test_two_files_of_one_language_are_refused(put, folder):
    put("he.txt", "x\n")
    put("iw.txt", "x\n")
    with pytest.raises(XferError, match="both he"):
        sources.load_texts(folder, None)


def test_absent_languages_and_folders_are_named(put, folder):
    put("en.txt", "x\n")
    with pytest.raises(XferError, match="no text in sw, yo.\n  It has: en"):
        sources.load_texts(folder, ["en", "sw", "yo"])
    with pytest.raises(XferError, match="Unknown language 'xx-yy'"):
        sources.load_texts(folder, ["xx-yy"])
    with pytest.raises(XferError, match="no such folder"):
        sources.load_texts("nowhere", None)


def test_an_empty_folder_is_named(folder, put):
    with pytest.raises(XferError, match="holds no <language>.txt"):
        sources.load_texts(folder, None)


def test_an_empty_text_is_a_fault(put, folder):
    put("en.txt", "\n\n")
    with pytest.raises(XferError, match="is empty"):
        sources.read_text(sources.load_texts(folder, None)["en"])


def test_the_embedded_text():
    found = sources.load_texts("mini", ["en"])
    assert found["en"].identity.startswith("mini:") and set(sources.read_text(found["en"]).column_names) >= {
        "id",
        "text",
    }


def test_raw_text_of_the_hub():
    found = sources.load_texts("wikipedia", ["sw"])
    assert (
        found["sw"].identity == "unresolved:hub:wikimedia/wikipedia@main:20231101.sw:train"
        and found["sw"].task == "wikipedia"
    )
    with pytest.raises(XferError, match="wikimedia/wikipedia cannot be loaded"):
        sources.read_text(found["sw"])
    with pytest.raises(XferError, match="Accepted: mini, mini-more, a folder .* wikipedia, cc100"):
        sources.load_texts("wikipedai")


def test_a_pipe_among_the_texts_is_not_waited_for(folder, put):
    put("en.txt", "x\n")
    os.mkfifo(f"{folder}/de.txt")
    with pytest.raises(XferError, match="de.txt: is a pipe or device, not a file"):
        sources.load_texts(folder, None)

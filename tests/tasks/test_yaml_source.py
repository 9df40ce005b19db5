"""YAML files of any kind and size: what no person writes is refused at once, before it is expanded."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.yaml_source import load

PATIENCE_S = 15.0  # what takes a second on an idle machine; a bomb takes hours


def bomb(levels: int, times: int, line: str) -> str:
    first = "a0: &a0 {x0: 1, y0: 2}\n"
    aliases = [", ".join([f"*a{level}"] * times) for level in range(levels)]
    return first + "".join(line.format(new=level + 1, old=aliases[level]) + "\n" for level in range(levels))


BOMBS = {
    "merged keys": bomb(60, 2, "a{new}: &a{new} {{<<: [{old}], k{new}: 1}}"),
    "merged keys of many": bomb(8, 9, "a{new}: &a{new} {{<<: [{old}], k{new}: 1}}"),
    "sequences": bomb(60, 2, "a{new}: &a{new} [{old}]"),
    "values": bomb(9, 9, "a{new}: &a{new} {{k: [{old}]}}"),
    "deep sequences": "a: " + "[" * 100_000,
    "deep mappings": "a: " + "{a: " * 5_000,
    "deep blocks": "".join("  " * n + "a:\n" for n in range(200)),
    "itself": "a: &a [*a]",
    "itself by a merged key": "a: &a {<<: *a}",
    "itself further down": "a: &a {b: {c: [1, *a]}}",
    "much": "a:\n" + "- some text\n" * 4_000_000,
    "long": "a: " + "x" * 50_000_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_no_person_writes_is_refused_at_once(tmp_path, name):
    path = tmp_path / "tasks.yaml"
    path.write_text(BOMBS[name])
    begin = time.monotonic()
    with pytest.raises(XferError, match=r"tasks\.yaml"):
        load(path)
    assert time.monotonic() - begin < PATIENCE_S


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nothing", "a folder on the way"])
def test_what_is_no_file_is_not_read(tmp_path, kind):
    path = tmp_path / "tasks.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "a folder on the way":
        (tmp_path / "x").write_text("")
        path = tmp_path / "x" / "tasks.yaml"
    with pytest.raises(XferError, match="is a (pipe or device|folder), not a file|cannot be read"):
        load(path)


def test_a_large_file_of_plain_values_is_read_fast(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text("labels: [" + ", ".join(f"label-{n}" for n in range(100_000)) + "]\n")
    begin = time.monotonic()
    assert len(load(path).value["labels"]) == 100_000
    assert time.monotonic() - begin < PATIENCE_S


def test_merged_keys_are_merged_once(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: {<<: [*a, {z: 4}], x: 5}\n")
    found = load(path)
    assert found.value == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 5, "y": 2, "z": 4}}
    assert found.at("b", "y").endswith(":4") and found.at("b", "x").endswith(":1")


@pytest.mark.parametrize("written", ["010", "0x10", "0b11", "1_000", "12:30", "-007"])
def test_numbers_that_yaml_converts_are_asked_for(tmp_path, written):
    path = tmp_path / "tasks.yaml"
    path.write_text(f"labels:\n- a\n- {written}\n")
    with pytest.raises(XferError, match=rf"tasks.yaml:3: is not YAML \({written} is .* put it in quotes"):
        load(path)
    path.write_text(f"labels: ['{written}', 7, -7, +7, 0]\n")
    assert load(path).value["labels"] == [written, 7, -7, 7, 0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings(tmp_path, encoding, end):
    path = tmp_path / "tasks.yaml"
    path.write_bytes(f"a: é{end}b: 2{end}".encode(encoding))
    assert load(path).value == {"a": "é", "b": 2}
    path.write_bytes("a: é\n".encode("utf-16"))
    with pytest.raises(XferError, match="is UTF-16(.|\n)*iconv"):
        load(path)

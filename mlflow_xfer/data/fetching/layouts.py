"""Makes folders of XTREME's layout of the files that are published.

Rows, their order and the file names are those that XTREME's scripts leave, with three differences: test sets
keep their labels (the scripts remove them, and a set without labels cannot be scored here), fields stand
between tabs as they are, without the quoting of Python's csv module, and Tatoeba stays aligned.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from mlflow_xfer.lines import Malformed
from mlflow_xfer.tasks.paraphrase import PAWSX_LANGUAGES
from mlflow_xfer.tasks.qa import TYDIQA_NAMES
from mlflow_xfer.tasks.retrieval import BUCC_LANGUAGES
from mlflow_xfer.tasks.tagging import PANX_LANGUAGES, PANX_R_LANGUAGES

NLI_LABELS = {"contradictory": "contradiction"}


def as_they_are(files: list[Path], folder: Path) -> None:
    """The files themselves."""
    for file in files:
        shutil.copy(file, folder / file.name)


def xnli(files: list[Path], folder: Path) -> None:
    """``train-en``, ``dev-*`` and ``test-*``: premise, hypothesis, label."""
    tests, translated = files
    with zipfile.ZipFile(translated) as archive:
        member = "XNLI-MT-1.0/multinli/multinli.train.en.tsv"
        rows = _fields(archive.open(member), member, 3)
        _write(folder / "train-en.tsv", ((*row[:2], NLI_LABELS.get(row[2], row[2])) for row in rows))
    with zipfile.ZipFile(tests) as archive:
        for split in ("dev", "test"):
            member = f"XNLI-1.0/xnli.{split}.tsv"
            of: dict[str, list[tuple[str, ...]]] = {}
            for row in _fields(archive.open(member), member, 8):
                of.setdefault(row[0], []).append((row[6], row[7], NLI_LABELS.get(row[1], row[1])))
            for code, rows in of.items():
                _write(folder / f"{split}-{code}.tsv", rows)


def pawsx(files: list[Path], folder: Path) -> None:
    """``train-en``, ``dev-*`` and ``test-*``: two sentences, label. The machine-translated training sets are
    left out, as XTREME leaves them out."""
    wanted = {
        f"x-final/{code}/{name}.tsv": f"{split}-{code}.tsv"
        for code in PAWSX_LANGUAGES
        for split, name in (("train", "train"), ("dev", "dev_2k"), ("test", "test_2k"))
        if split != "train" or code == "en"
    }
    with tarfile.open(files[0]) as archive:
        for member, stream in _members(archive, wanted):
            _write(folder / wanted[member], (row[1:4] for row in _fields(stream, member, 4)))


def panx(files: list[Path], folder: Path) -> None:
    """``train-*``, ``dev-*`` and ``test-*``: token, tag, a blank line after a sentence."""
    with zipfile.ZipFile(files[0]) as archive:
        inside = {name.rpartition("/")[2]: name for name in archive.namelist()}
        for code in PANX_LANGUAGES + PANX_R_LANGUAGES:
            name = f"{code}.tar.gz"
            if name not in inside:
                raise Malformed(f"{files[0].name}: holds no {name}.")
            with tarfile.open(fileobj=io.BytesIO(archive.read(inside[name]))) as language:
                for split, stream in _members(language, ("train", "dev", "test")):
                    _write(folder / f"{split}-{code}.tsv", _tokens(stream))


def _tokens(stream: IO[bytes]) -> Iterator[tuple[str, ...]]:
    """``language:token<TAB>tag``, without the language."""
    for line in io.TextIOWrapper(stream, "utf-8", newline="\n"):
        word, tab, tag = line.strip().partition("\t")
        token = word.partition(":")[2].strip()
        if not tab:
            yield ()
        elif token:
            yield token, tag.strip()


def mlqa(files: list[Path], folder: Path) -> None:
    """``MLQA_V1/{dev,test}/*.json``."""
    with zipfile.ZipFile(files[0]) as archive:
        for name in archive.namelist():
            parts = Path(name).parts
            if (
                parts[0] == "MLQA_V1"
                and len(parts) == 3
                and parts[1] in ("dev", "test")
                and name.endswith(".json")
            ):
                path = folder.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


def tydiqa(files: list[Path], folder: Path) -> None:
    """A file a language and split; the language of a question begins its id."""
    for file, split in zip(files, ("train", "dev"), strict=True):
        content = json.loads(file.read_bytes())
        place = folder / f"tydiqa-goldp-v1.1-{split}"
        place.mkdir()
        for code, name in TYDIQA_NAMES.items():
            of = {"version": content.get("version", ""), "data": list(_asked_in(name, content["data"]))}
            (place / f"tydiqa.goldp.{code}.{split}.json").write_text(
                json.dumps(of, ensure_ascii=False), "utf-8"
            )


def _asked_in(language: str, articles: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for article in articles:
        kept = []
        for paragraph in article["paragraphs"]:
            asked = [one for one in paragraph["qas"] if one["id"].partition("-")[0] == language]
            kept += [paragraph | {"qas": asked}] if asked else []
        if kept:
            yield article | {"paragraphs": kept}


def bucc2018(files: list[Path], folder: Path) -> None:
    """``*-en.dev.*`` of the sample and ``*-en.test.*`` of the training set, as XTREME takes them, with the
    gold pairs of both."""
    parts = [(code, part) for code in BUCC_LANGUAGES for part in ("training", "sample")]
    for file, (code, part) in zip(files, parts, strict=True):
        split = {"training": "test", "sample": "dev"}[part]
        wanted = {f"{code}-en.{part}.{side}": f"{code}-en.{split}.{side}" for side in (code, "en", "gold")}
        with tarfile.open(file) as archive:
            for name, stream in _members(archive, wanted):
                (folder / wanted[name]).write_bytes(stream.read())


def _members(archive: tarfile.TarFile, wanted: Iterable[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """The wanted files, by the end of their path.

    Raises:
        Malformed: one is missing.
    """
    left = set(wanted)
    for member in archive:
        name = next((one for one in left if f"/{member.name}".endswith(f"/{one}")), None)
        stream = archive.extractfile(member) if name else None
        if name and stream:
            left.remove(name)
            yield name, stream
    if left:
        raise Malformed(f"{archive.name}: holds no {', '.join(sorted(left))}.")


def _fields(stream: IO[bytes], name: str, least: int) -> Iterator[list[str]]:
    """The rows after the header.

    Raises:
        Malformed: a row has fewer fields.
    """
    for number, line in enumerate(io.TextIOWrapper(stream, "utf-8", newline="\n"), 1):
        row = [field.strip() for field in line.rstrip("\r\n").split("\t")]
        if len(row) < least:
            raise Malformed(f"{name}:{number}: has {len(row)} fields, expected {least}.")
        if number > 1:
            yield row


def _write(path: Path, rows: Iterable[Iterable[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(row) + "\n" for row in rows)

"""What can be fetched: addresses, checksums and licences of data sets, and where the others are.

The checksums are those that public catalogues of data sets recorded of these addresses. A file of which none
is known has an empty one: its checksum is recorded when it is first taken, and holds from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlflow_xfer.data.fetching import layouts
from mlflow_xfer.data.fetching.treebanks import udpos
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.qa import XQUAD_LANGUAGES
from mlflow_xfer.tasks.retrieval import BUCC_LANGUAGES, TATOEBA_CODES, TATOEBA_R_CODES


@dataclass(frozen=True)
class Archive:
    """One file to take: its address, its sha256 and its size in bytes (empty and 0: not known beforehand)."""

    address: str
    sha256: str = ""
    size: int = 0

    @property
    def name(self) -> str:
        return self.address.rpartition("/")[2]


@dataclass(frozen=True)
class DataSet:
    """One folder of XTREME's layout.

    Args:
        archives: the files that it is made of.
        lay: makes the folder, which is empty, of the files in their order.
        page: where its makers describe it.
        licence: empty: what the task of its name says.
        needs: other data sets without which it cannot be trained on.
        remark: what else to know.
    """

    name: str
    archives: tuple[Archive, ...]
    lay: Callable[[list[Path], Path], None]
    page: str
    licence: str = ""
    needs: tuple[str, ...] = ()
    remark: str = ""

    @property
    def terms(self) -> str:
        return self.licence or TASKS.get(self.name).licence

    @property
    def size(self) -> int:
        return sum(archive.size for archive in self.archives)


FACEBOOK = "https://dl.fbaipublicfiles.com"
GOOGLE = "https://storage.googleapis.com"
SQUAD = "https://rajpurkar.github.io/SQuAD-explorer"
XQUAD = "https://github.com/deepmind/xquad"
LASER = "https://github.com/facebookresearch/LASER"
BUCC = "https://comparable.limsi.fr/bucc2018"

XQUAD_FILES = {
    "ar": ("abdabd7afed5c635d99cca0f3f0d0c9d9ed0bc77451e963c2e4e0638c29e486d", 1_582_988),
    "de": ("990b5d746746ed65ed4702ea5f35f99ffa4e2f1c390c07d003642acd937916f9", 669_810),
    "el": ("821cf0f88e73fa258fd2f548b19b6ec39f7025059e16f6f9fc8cd797c9c3663e", 1_918_889),
    "en": ("e4c57d1c9143aaa1c5d265ba5987a65f4e69528d2a98f29d6e75019b10344f29", 609_383),
    "es": ("dcbae93ec3a9f4b9e78fd834a171d6f96c1a875e10e15b7530b7e4ef4971e37e", 684_322),
    "hi": ("df2cce3532b37e9beb8979704b5c9a4bf874358f105395a298b89427b43b9d24", 1_680_538),
    "ro": ("94f8d54e93ad2b7dd2e76dd921a666b5b8eff2d4379df9f179c42b445f09643f", 661_158),
    "ru": ("208d5b1aa154c52b1b5c5eda16281e455e8fd198cdb9af3f469f0d6037d973bf", 1_896_368),
    "th": ("5cdda11d0e1e075f7872abf4e6ae830388ce7f617964d542308e9ae4257e0f43", 1_809_143),
    "tr": ("92179a564774b7696100d144c1e10870d0a966b6fccbdd254a65b9d2ab1971cc", 729_506),
    "vi": ("f619a1eb11fb42d3ab0834259e488a65f585447ef6154437bfb7199d85161a04", 911_401),
    "zh": ("691d0b3359bc6b8faa8de931dfdfe21d50a65861ae348e32a0d1a0190b0c8835", 808_652),
}
BUCC_FILES = {
    "de": (
        ("766e0fdebbd1438fb87c21254828eb13c8b997d8fbab002103dd060dcac50c5c", 28_189_548),
        ("8e16ba8b02ef8d648b06adfbd6dfb188f43524e18f97b2b12a14a086caac62f3", 2_529_652),
    ),
    "fr": (
        ("53c0d0e7dd97dc89593a2db25a26c5f0ccdc7113e8451263bb0c80e4c4c7dc30", 20_757_713),
        ("df9eb3966954e163c9264076f7c9c1eb56d9d8a91855f9d3afbf2c0fdaef0a08", 1_948_831),
    ),
    "ru": (
        ("1895df56e936ca3d4f5b12299ceffe0b7ff4806584c40bdaa3ae1d445f25afa5", 37_085_079),
        ("fce3cabc7ee50ddb4b18aa6fb090e2669c8383d2a29fc97eed6ae70fed9a23e5", 4_269_233),
    ),
    "zh": (
        ("3facb71798277c8f44dc78c1f8ae2110f254d0e14799f3508eedd54b4236877a", 6_344_925),
        ("a3425be5c0320ee131a0927b66c3e29befb3b481ebf1b87257e660e514bc16ac", 769_869),
    ),
}

_ALL = (
    DataSet(
        "xnli",
        (
            Archive(
                f"{FACEBOOK}/XNLI/XNLI-1.0.zip",
                "4ba1d5e1afdb7161f0f23c66dc787802ccfa8a25a3ddd3b165a35e50df346ab1",
                17_865_352,
            ),
            Archive(
                f"{FACEBOOK}/XNLI/XNLI-MT-1.0.zip",
                "f732517ba2fb1d550e9f3c2aabaef6017c91ee2dcec90e878f138764d224db05",
                466_098_360,
            ),
        ),
        layouts.xnli,
        "https://github.com/facebookresearch/XNLI",
        remark="with MultiNLI's training set in English, which is the task mnli",
    ),
    DataSet(
        "pawsx",
        (
            Archive(
                f"{GOOGLE}/paws/pawsx/x-final.tar.gz",
                "4146db499101d66e68ae4c8ed3cf9dadecd625f44b7d8cf3d4a0fe93afc4fd9f",
                30_282_057,
            ),
        ),
        layouts.pawsx,
        "https://github.com/google-research-datasets/paws",
    ),
    DataSet(
        "udpos",
        (
            Archive(
                "https://lindat.mff.cuni.cz/repository/xmlui/bitstream/handle/11234/1-3105/ud-treebanks-v2.5.tgz",
                "5ff973e44345a5f69b94cc1427158e14e851c967d58773cc2ac5a1d3adaca409",
                355_216_681,
            ),
        ),
        udpos,
        "https://universaldependencies.org",
        remark="Universal Dependencies 2.5, XTREME's 33 languages",
    ),
    DataSet(
        "panx",
        (
            Archive(
                "https://s3.amazonaws.com/datasets.huggingface.co/wikiann/1.1.0/panx_dataset.zip",
                "164814b64f749ad000988b5ab45050b5116913b3db466ab173008955ddf649a4",
                234_008_884,
            ),
        ),
        layouts.panx,
        "https://github.com/afshinrahimi/mmner",
        remark="the copy of the hub's catalogue: the makers' own folder at Amazon asks for a login",
    ),
    DataSet(
        "squad",
        (
            Archive(
                f"{SQUAD}/dataset/train-v1.1.json",
                "3527663986b8295af4f7fcdff1ba1ff3f72d07d61a20f487cb238a6ef92fd955",
                30_288_272,
            ),
            Archive(
                f"{SQUAD}/dataset/dev-v1.1.json",
                "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9",
                4_854_279,
            ),
        ),
        layouts.as_they_are,
        f"{SQUAD}/",
    ),
    DataSet(
        "xquad",
        tuple(
            Archive(f"{XQUAD}/raw/master/xquad.{code}.json", *XQUAD_FILES[code]) for code in XQUAD_LANGUAGES
        ),
        layouts.as_they_are,
        XQUAD,
        needs=("squad",),
    ),
    DataSet(
        "mlqa",
        (
            Archive(
                f"{FACEBOOK}/MLQA/MLQA_V1.zip",
                "246e8089933d13007fe80684d5c5c0713d6834cf8b3b4a0ec7c66f0a0d2baac8",
                75_719_050,
            ),
        ),
        layouts.mlqa,
        "https://github.com/facebookresearch/MLQA",
        needs=("squad",),
    ),
    DataSet(
        "tydiqa",
        (
            Archive(
                f"{GOOGLE}/tydiqa/v1.1/tydiqa-goldp-v1.1-train.json",
                "cefc8e09ff2548d9b10a678d3a6bbbe5bc036be543f92418819ea676c97be23b",
                58_004_076,
            ),
            Archive(
                f"{GOOGLE}/tydiqa/v1.1/tydiqa-goldp-v1.1-dev.json",
                "b286e0f34bc7f52259359989716f369b160565bd12ad8f3a3e311f9b0dbad1c0",
                5_617_409,
            ),
        ),
        layouts.tydiqa,
        "https://github.com/google-research-datasets/tydiqa",
    ),
    DataSet(
        "bucc2018",
        tuple(
            Archive(f"{BUCC}/bucc2018-{code}-en.{part}-gold.tar.bz2", *said)
            for code in BUCC_LANGUAGES
            for part, said in zip(("training", "sample"), BUCC_FILES[code], strict=True)
        ),
        layouts.bucc2018,
        f"{BUCC}/",
    ),
    DataSet(
        "tatoeba",
        tuple(
            Archive(f"{LASER}/raw/main/data/tatoeba/v1/tatoeba.{code}-eng.{side}")
            for code in (TATOEBA_CODES | TATOEBA_R_CODES).values()
            for side in (code, "eng")
        ),
        layouts.as_they_are,
        f"{LASER}/tree/main/data/tatoeba/v1",
        remark="no checksums are published: recorded when first taken",
    ),
)

DATA_SETS: dict[str, DataSet] = {one.name: one for one in _ALL}
PART_OF = {"mnli": "xnli"}
"""Tasks whose data lie in the folder of another."""

CLOSED = {
    "ccg": "a licence of the LDC (https://catalog.ldc.upenn.edu/LDC2005T13), then ccg/{train,dev,test}.tsv "
    "and ccg/tags_to_id.json",
    "mednli": "an account at PhysioNet (https://physionet.org/content/mednli/), then "
    "mednli/mli_{train,dev,test}_v1.jsonl",
    "bioasq": "registration (http://participants-area.bioasq.org/)",
}
"""What needs a login, and where its files go."""

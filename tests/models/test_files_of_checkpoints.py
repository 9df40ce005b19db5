"""The files of a checkpoint, and whether a model's weights are those in them."""

from __future__ import annotations

import json
import random
import shutil
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import files
from mlflow_xfer.models.heads import build, carries_lm_head
from mlflow_xfer.models.load import (
    check_weights,
    has_lm_head,
    load_backbone,
    load_config,
    load_lm,
    load_tokenizer,
)
from mlflow_xfer.phases.references import directory
from mlflow_xfer.tasks.task import Task
from tests.families import FAMILIES, make_model

HEADS = ["classification", "tagging", "span_qa", "multiple_choice", "regression"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return make_model("BERT", tmp_path_factory.mktemp("bert") / "model", random.Random(2))


@pytest.fixture
def folder(bert, tmp_path):
    return shutil.copytree(bert, tmp_path / "model")


def renamed(folder, change) -> None:
    """The weights in ``folder`` under the names that ``change`` gives (None: left out)."""
    saved = load_file(folder / files.WEIGHTS)
    kept = {new: value for name, value in saved.items() if (new := change(name)) is not None}
    save_file(kept, folder / files.WEIGHTS, metadata={"format": "pt"})


def configured(folder, **changes) -> None:
    config = json.loads((folder / files.CONFIG).read_text())
    (folder / files.CONFIG).write_text(json.dumps(config | changes))


def sharded(folder, where: str, parts: int = 3) -> None:
    saved = load_file(folder / files.WEIGHTS)
    (folder / files.WEIGHTS).unlink()
    index = {}
    for n in range(parts):
        name = where.format(n)
        (folder / name).parent.mkdir(exist_ok=True)
        mine = {key: saved[key] for key in sorted(saved)[n::parts]}
        save_file(mine, folder / name, metadata={"format": "pt"})
        index |= dict.fromkeys(mine, name)
    (folder / files.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}))


def refused(folder) -> str:
    """What is said of a folder: the same where it is checked and where it is loaded."""
    said = []
    for read in (check_weights, load_backbone):
        with pytest.raises(XferError) as error:
            read(folder)
        said.append(str(error.value).replace("\n", " "))
    assert said[0] == said[1]
    return said[0]


# -- which files ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("where", ["model-{}.safetensors", "shards/part-{}.safetensors"])
def test_shards_are_read_and_identify_the_checkpoint(folder, where):
    whole = load_backbone(folder).state_dict()
    sharded(folder, where)
    read = load_backbone(folder).state_dict()
    assert all(torch.equal(read[name], whole[name]) for name in whole)
    listed = {path.relative_to(folder).as_posix() for path in files.of(folder)}
    assert {where.format(n) for n in range(3)} < listed
    before = directory("m", folder).identity
    shard = folder / where.format(1)
    save_file({k: v + 1 for k, v in load_file(shard).items()}, shard, metadata={"format": "pt"})
    assert directory("m", folder).identity != before


@pytest.mark.parametrize("part", files.PARTS)
def test_heads_identify_the_checkpoint(folder, part):
    before = directory("m", folder).identity
    (folder / part).mkdir()
    (folder / part / "config.json").write_text("{}")
    assert directory("m", folder).identity != before


INDICES = {
    "pickled": ({"a": "pytorch_model.bin"}, "no safetensors file"),
    "outside": ({"a": "../other/model.safetensors"}, "outside the folder"),
    "absolute": ({"a": "/tmp/model.safetensors"}, "outside the folder"),
    "absent": ({"a": "model-7.safetensors"}, "not there"),
    "empty": ({}, "names no files"),
    "a list": (["a"], "malformed"),
    "numbers": ({"a": 3}, "malformed"),
}


@pytest.mark.parametrize("fault", INDICES)
def test_an_index_names_safetensors_files_inside_the_folder(folder, fault):
    index, says = INDICES[fault]
    (folder / files.WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"0")
    (folder / files.INDEX).write_text(json.dumps({"weight_map": index}))
    assert says in refused(folder)
    with pytest.raises(XferError, match=says):
        directory("m", folder)


CODE = {
    "auto_map": {"auto_map": {"AutoModel": "org/repo--modeling.Model"}},
    "nested auto_map": {"text_config": {"auto_map": {"AutoModel": "modeling.Model"}}},
    "kernel": {"_attn_implementation": "org/kernel"},
    "kernel with a version": {"attn_implementation": "org/kernel@v1:function"},
    "kernel by part": {"attn_implementation": {"text_config": "org/kernel"}},
    "nested kernel": {"sub_config": {"_attn_implementation_internal": "flash_attention_9"}},
    "kernel of experts": {"experts_implementation": "org/experts"},
}


@pytest.mark.parametrize("case", CODE)
def test_configurations_that_ask_for_code_are_refused(folder, case):
    configured(folder, **CODE[case])
    with pytest.raises(XferError, match="code"):
        load_config(folder)


@pytest.mark.parametrize("known", ["eager", "sdpa", None])
def test_ways_of_attention_of_transformers_are_accepted(folder, known):
    configured(folder, _attn_implementation=known)
    assert load_config(folder).model_type == "bert"


def test_an_adapter_is_no_model(folder):
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(XferError, match="adapter"):
        load_config(folder)
    (folder / "config.json").unlink()
    with pytest.raises(XferError, match="holds an adapter.*(.|\n)*merge_and_unload"):
        load_config(folder)


def test_a_folder_of_checkpoints_says_which_are_in_it(folder, tmp_path):
    """As Trainer leaves its output_dir."""
    shutil.copytree(folder, tmp_path / "out" / "checkpoint-500")
    with pytest.raises(
        XferError, match=r"holds no config\.json(.|\n)*Name a checkpoint in it: checkpoint-500"
    ):
        load_config(tmp_path / "out")


# -- which weights -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "base_model.model.", "model.", "encoder_q."])
def test_names_behind_a_prefix_are_refused_with_the_remedy(folder, prefix):
    renamed(folder, lambda name: prefix + name)
    said = refused(folder)
    assert f"begin with '{prefix}'" in said.replace("bert.", "") and "lacks weights" in said


MISSING = {
    "a layer": lambda name: None if ".layer.0." in name else name,
    "one bias": lambda name: None if name.endswith("layer.0.output.dense.bias") else name,
    "embeddings": lambda name: None if "word_embeddings" in name else name,
    "another architecture": lambda name: name.replace("bert.encoder.layer", "transformer.layer"),
}


@pytest.mark.parametrize("case", MISSING)
def test_missing_weights_are_refused(folder, case):
    renamed(folder, MISSING[case])
    assert "lacks weights" in refused(folder)


def test_layers_that_the_configuration_leaves_out_are_refused(folder):
    layers = load_config(folder).num_hidden_layers
    saved = load_file(folder / files.WEIGHTS)
    more = {k.replace(".layer.0.", f".layer.{layers}."): v.clone() for k, v in saved.items()}
    save_file(saved | more, folder / files.WEIGHTS, metadata={"format": "pt"})
    assert "has no place for" in refused(folder)


def test_weights_of_other_sizes_are_refused(folder):
    configured(folder, hidden_size=12, num_attention_heads=2)
    assert "cannot be loaded" in refused(folder)


@pytest.mark.parametrize(
    "sizes",
    [
        {"num_hidden_layers": 10**8},
        {"vocab_size": 10**12},
        {"hidden_size": 10**9, "num_attention_heads": 1},
        {"intermediate_size": 10**12},
        {"max_position_embeddings": 10**13},
    ],
)
def test_sizes_beyond_the_files_are_refused_before_they_take_memory(folder, sizes):
    configured(folder, **sizes)
    begun = time.perf_counter()
    with pytest.raises(XferError):
        check_weights(folder)
    assert time.perf_counter() - begun < 20


def test_a_pooler_other_heads_and_traces_of_earlier_versions_say_nothing(folder):
    saved = load_file(folder / files.WEIGHTS)
    kept = {name: value for name, value in saved.items() if "pooler" not in name}
    more = {"classifier.weight": torch.zeros(2, 8), "bert.embeddings.position_ids": torch.zeros(1, 8)}
    save_file(kept | more, folder / files.WEIGHTS, metadata={"format": "pt"})
    check_weights(folder)
    assert load_lm(folder) is not None


def test_names_without_the_prefix_of_their_class_are_read(folder):
    whole = load_backbone(folder).state_dict()
    renamed(folder, lambda name: name.removeprefix("bert.") if name.startswith("bert.") else None)
    configured(folder, architectures=["BertModel"])
    read = load_backbone(folder).state_dict()
    assert all(torch.equal(read[name], whole[name]) for name in whole if "pooler" not in name)


def test_a_language_model_without_its_head_is_none(folder):
    """As a discriminator saved by a class whose name ends like that of a language model."""
    assert has_lm_head(folder) and carries_lm_head(folder)
    renamed(folder, lambda name: None if name.startswith("cls.") else name)
    assert not has_lm_head(folder) and load_lm(folder) is None
    check_weights(folder)


def test_half_a_head_is_refused(folder):
    renamed(folder, lambda name: None if name == "cls.predictions.transform.dense.weight" else name)
    with pytest.raises(XferError, match="lacks weights of its BertForMaskedLM"):
        load_lm(folder)


def test_a_task_head_that_is_not_there_predicts_nothing(folder, tmp_path):
    """Its class says that there is one."""
    import mlflow_xfer

    configured(folder, architectures=["BertForSequenceClassification"])
    (tmp_path / "rows.jsonl").write_text('{"text_a": "the ship"}\n')
    with pytest.raises(XferError, match="lacks weights of its BertForSequenceClassification: .*classifier"):
        mlflow_xfer.predict(str(folder), tmp_path / "rows.jsonl")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "kind_name", ["classification", "tagging", "span_qa", "multiple_choice", "regression"]
)
def test_a_backbone_is_found_under_every_head(family, kind_name, tmp_path):
    """Whatever the class of the head calls it in the files."""
    from mlflow_xfer.models.checkpoint import save

    folder = make_model(family, tmp_path / "model", random.Random(6))
    task = Task("t", kind_name, metric="", languages=(), sources={}, labels=("a", "b"))
    try:
        model = build(folder, [task], lm=False, seed=0)
    except XferError as error:
        assert f"no {kind_name} head" in str(error) or "no classification head" in str(error)
        return
    save(model, load_tokenizer(folder), tmp_path / "made")
    check_weights(tmp_path / "made")
    one, other = (load_backbone(path).state_dict() for path in (folder, tmp_path / "made"))
    assert all(torch.equal(one[name], other[name]) for name in one if "pooler" not in name)


@pytest.mark.parametrize("family", FAMILIES)
def test_models_of_every_family_are_whole_as_language_models(family, tmp_path):
    folder = make_model(family, tmp_path / "model", random.Random(4))
    check_weights(folder)
    assert has_lm_head(folder) and build(folder, [], lm=True, seed=0).lm is not None
    load_tokenizer(folder)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_read_as_float32(folder, dtype):
    saved = load_file(folder / files.WEIGHTS)
    save_file({name: value.to(dtype) for name, value in saved.items()}, folder / files.WEIGHTS)
    configured(folder, dtype=str(dtype).removeprefix("torch."))
    weights = load_backbone(folder).state_dict()
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}
    name = "embeddings.word_embeddings.weight"
    assert torch.equal(weights[name], saved[f"bert.{name}"].to(dtype).float())


@pytest.mark.parametrize("name", [files.WEIGHTS, "tokenizer.json"])
def test_what_git_lfs_has_not_fetched_is_told_of(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n")
    read = load_tokenizer if name == "tokenizer.json" else load_backbone
    with pytest.raises(XferError, match=r"is a pointer of git-lfs(.|\n)*git lfs pull"):
        read(folder)


def test_a_model_that_is_computed_in_chunks_says_the_same_as_a_whole(folder):
    """Rows are seldom a multiple of them."""
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        whole = load_backbone(folder).eval()(ids).last_hidden_state
        configured(folder, chunk_size_feed_forward=7)
        assert torch.equal(load_backbone(folder).eval()(ids).last_hidden_state, whole)


def test_what_is_no_folder_is_said_so(folder):
    assert files.held(folder / files.CONFIG) == "It is a file."

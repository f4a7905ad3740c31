"""Checkpoints that do not fit, are damaged or hostile are refused; what is exported comes back."""

import io
import json
import os
import pickle
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ouroboros_jax.errors import UserError
from ouroboros_jax.models.checkpoints import export, load
from ouroboros_jax.models.decoder_config import DecoderConfig
from ouroboros_jax.models.hf_config import config_fields, parse_config
from ouroboros_jax.models.hf_layout import weights
from ouroboros_jax.models.torch_pickle import read_bin

FIXTURES = Path(__file__).parents[1] / "fixtures" / "hf"
MODELS = ("tiny-gpt2", "tiny-opt", "tiny-opt-350m-like")


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


def copy(name, folder, *files):
    """A checkpoint's folder with its config and the weight files named."""
    for file in ("config.json", *files):
        shutil.copy(FIXTURES / name / file, folder / file)
    return folder


def change_config(folder, **fields):
    raw = json.loads((folder / "config.json").read_text())
    raw = {key: value for key, value in (raw | fields).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(raw))


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert (x == y).all()


def test_what_is_exported_comes_back(name, tmp_path):
    loaded = load(str(FIXTURES / name))
    export(loaded.config, loaded.params, tmp_path / "out")
    again = load(str(tmp_path / "out"))
    assert again.config == loaded.config
    assert_same(again.params, loaded.params)
    written = ["config.json", "generation_config.json", "model.safetensors"]
    assert sorted(os.listdir(tmp_path / "out")) == written


def test_an_export_replaces_a_checkpoint(tmp_path):
    """Nothing of the old one is left to be read in place of the new."""
    copy("tiny-gpt2", tmp_path, "flax_model.msgpack", "pytorch_model.bin")
    shard = tmp_path / "model-00001-of-00001.safetensors"
    shutil.copy(FIXTURES / "tiny-gpt2/model.safetensors", shard)
    index = {"weight_map": {key: shard.name for key in load_file(shard)}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": 7}')
    (tmp_path / "notes.txt").write_text("mine")
    loaded = load(str(tmp_path))
    assert loaded.config.eos == 7
    export(replace(loaded.config, eos=(9, 8)), loaded.params, tmp_path)
    kept = ["config.json", "generation_config.json", "model.safetensors", "notes.txt"]
    assert sorted(os.listdir(tmp_path)) == kept
    assert load(str(tmp_path)).config.ends == (9, 8)
    assert json.loads((tmp_path / "generation_config.json").read_text())["eos_token_id"] == [9, 8]


def test_what_is_exported_is_named_as_the_family_does(name, tmp_path):
    """The tensors of the class with the head, as transformers itself writes them."""
    loaded = load(str(FIXTURES / name))
    export(loaded.config, loaded.params, tmp_path)
    written = load_file(tmp_path / "model.safetensors")
    theirs = load_file(FIXTURES / name / "model.safetensors")
    prefix = "transformer." if name == "tiny-gpt2" else ""  # that file is of the base class
    assert set(written) == {prefix + key for key in theirs}
    for key, array in theirs.items():
        assert (written[prefix + key] == array.astype(np.float32)).all()
    fields = json.loads((tmp_path / "config.json").read_text())
    original = json.loads((FIXTURES / name / "config.json").read_text())
    for key in set(fields) & set(original) - {"dtype", "n_inner"}:
        assert fields[key] == original[key], key


def test_an_untied_head(tmp_path):
    config = DecoderConfig(32, 16, 8, 1, 2, 16, tied=False)
    rng = np.random.default_rng(0)
    params = {}
    for weight in weights(config):
        node = params
        for part in weight.path[:-1]:
            node = node.setdefault(part, {})
        node[weight.path[-1]] = rng.standard_normal(weight.shape).astype(np.float32)
    export(config, params, tmp_path)
    assert load_file(tmp_path / "model.safetensors")["lm_head.weight"].shape == (32, 8)
    assert_same(load(str(tmp_path)).params, params)
    assert parse_config(config_fields(config), "gpt2") == config


def test_shards_and_half_precision(name, tmp_path):
    copy(name, tmp_path)
    flat = load_file(FIXTURES / name / "model.safetensors")
    keys = sorted(flat)
    places = {}
    for i, half in enumerate((keys[::2], keys[1::2])):
        file = f"model-0000{i + 1}-of-00002.safetensors"
        save_file({key: flat[key].astype(ml_dtypes.bfloat16) for key in half}, tmp_path / file)
        places |= dict.fromkeys(half, file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    loaded = load(str(tmp_path)).params
    for a, b in zip(
        jax.tree.leaves(loaded), jax.tree.leaves(load(str(FIXTURES / name)).params), strict=True
    ):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1 / 128)
    index.write_text(json.dumps({"weight_map": dict.fromkeys(keys, "../../elsewhere.safetensors")}))
    with pytest.raises(UserError, match="expected a file beside it"):
        load(str(tmp_path))


def test_old_buffers_and_heads_are_no_parameters(tmp_path):
    copy("tiny-gpt2", tmp_path)
    flat = load_file(FIXTURES / "tiny-gpt2" / "model.safetensors")
    flat["h.0.attn.bias"] = np.tril(np.ones((1, 1, 64, 64), np.uint8))
    flat["h.1.attn.masked_bias"] = np.float32(-1e4)[None]
    flat["lm_head.weight"] = flat["wte.weight"].copy()
    save_file(flat, tmp_path / "model.safetensors")
    assert_same(load(str(tmp_path)).params, load(str(FIXTURES / "tiny-gpt2")).params)
    flat["lm_head.weight"][3, 4] += 1
    save_file(flat, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="lm_head differs from the embedding"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda flat: flat.pop("h.1.ln_2.bias"), r"missing: h\.1\.ln_2\.bias$"),
        (
            lambda flat: flat.update({"h.2.ln_1.bias": flat["ln_f.bias"].copy()}),
            r"no part of the model: h\.2\.ln_1\.bias$",
        ),
        (
            lambda flat: flat.update({"wpe.weight": flat["wpe.weight"][:60].copy()}),
            r"of another shape: wpe\.weight is \[60, 32\], expected \[64, 32\]$",
        ),
        (
            lambda flat: flat.update({"h.0.mlp.c_fc.weight": flat["h.0.mlp.c_fc.weight"].T.copy()}),
            r"h\.0\.mlp\.c_fc\.weight is \[128, 32\], expected \[32, 128\]$",
        ),
        (
            lambda flat: flat.update({"transformer.wpe.weight": flat["wpe.weight"].copy()}),
            "twice",
        ),
        (
            lambda flat: flat["h.0.mlp.c_fc.bias"].__setitem__(3, np.nan),
            r"not finite: h\.0\.mlp\.c_fc\.bias$",
        ),
        (
            lambda flat: flat.update({"wpe.weight": flat["wpe.weight"] + np.float32(np.inf)}),
            r"not finite: wpe\.weight$",
        ),
    ],
    ids=["missing", "extra", "short", "transposed", "twice", "nan", "infinite"],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, change, sentence):
    copy("tiny-gpt2", tmp_path)
    flat = load_file(FIXTURES / "tiny-gpt2" / "model.safetensors")
    change(flat)
    save_file(flat, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=sentence):
        load(str(tmp_path))


@pytest.mark.parametrize("file", ["model.safetensors", "flax_model.msgpack", "pytorch_model.bin"])
def test_files_that_are_cut_short(tmp_path, file):
    copy("tiny-opt", tmp_path, file)
    whole = (tmp_path / file).read_bytes()
    for share in (0, 0.01, 0.5, 0.999):
        (tmp_path / file).write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UserError, match=r"cut short|damaged|missing|no state dict"):
            load(str(tmp_path))


def test_files_without_tensors(tmp_path):
    copy("tiny-gpt2", tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {}}))
    with pytest.raises(UserError, match=r"index\.json holds no tensors"):
        load(str(tmp_path))
    index.unlink()
    (tmp_path / "flax_model.msgpack").write_bytes(b"\x80")
    with pytest.raises(UserError, match=r"flax_model\.msgpack holds no tensors"):
        load(str(tmp_path))


def test_an_export_that_cannot_be_written(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / ".export.partial").write_text("a file where a folder has to be")
    with pytest.raises(UserError, match=r"model cannot be written: File exists$"):
        export(DecoderConfig(8, 8, 8, 1, 1, 8), {}, tmp_path / "model")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"eos_token_id": True}, "eos_token_id is True, expected one of the 128 tokens"),
        ({"eos_token_id": [3, False]}, "eos_token_id is False, expected one of the 128 tokens"),
        ({"pad_token_id": True}, "pad_token_id is True, expected one of the 128 tokens"),
        ({"n_embd": ...}, "n_embd is missing"),
        ({"n_layer": ..., "n_head": ...}, "n_layer and n_head are missing"),
        ({"vocab_size": 0}, "vocab_size is 0, expected a whole number from 1"),
        ({"n_layer": 10**9}, "n_layer is 1000000000, expected"),
        ({"n_head": 5}, "n_head is 5, expected a divisor of the width 32"),
        ({"n_embd": "32"}, "n_embd is '32', expected a whole number"),
        ({"n_positions": -64}, "n_positions is -64, expected"),
        ({"resid_pdrop": 1.5}, "resid_pdrop is 1.5, expected a share"),
        ({"activation_function": "softplus"}, "'softplus', expected gelu_new, gelu, relu"),
        ({"eos_token_id": 128}, "eos_token_id is 128, expected one of the 128 tokens"),
        ({"eos_token_id": [5, 128]}, "eos_token_id is 128"),
        ({"bos_token_id": [5]}, r"bos_token_id is \[5\]"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is there"),
        ({"model_type": ["gpt2"]}, r"model_type is \['gpt2'\]"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings is 'no', expected true or false"),
        ({"layer_norm_epsilon": 0}, "layer_norm_epsilon is 0"),
        ({"model_type": "llama"}, "model_type is 'llama', expected gpt2 and opt"),
    ],
)
def test_absurd_configs(tmp_path, fields, sentence):
    copy("tiny-gpt2", tmp_path, "model.safetensors")
    change_config(tmp_path, **fields)
    with pytest.raises(UserError, match=sentence):
        load(str(tmp_path))


def test_a_config_that_is_none(tmp_path):
    for text in ("", "[1]", "{", "\xff", "[" * 100_000):
        (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(UserError, match=r"cannot be read|holds list"):
            load(str(tmp_path))
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match="is not there"):
        load(str(tmp_path))
    copy("tiny-gpt2", tmp_path)
    with pytest.raises(UserError, match="has no weights: expected one of"):
        load(str(tmp_path))


class Hostile:
    """A pickle that would make a file where it is told to."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def write_bin(path, program, entries=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        for entry, data in entries:
            archive.writestr(f"archive/{entry}", data)


def pickled(build):
    """A pickle put together by hand: `build` writes opcodes after the protocol's."""
    out = io.BytesIO()
    out.write(b"\x80\x02")
    build(out.write)
    out.write(b".")
    return out.getvalue()


def a_name(write, module, name):
    write(b"c" + module.encode() + b"\n" + name.encode() + b"\n")


def test_a_hostile_pickle_runs_nothing(tmp_path):
    trap = tmp_path / "trap"
    assert pickle.loads(pickle.dumps(Hostile(trap))) is None and trap.is_dir()  # it would
    trap.rmdir()
    copy("tiny-opt", tmp_path)
    path = tmp_path / "pytorch_model.bin"
    for program in (
        pickle.dumps(Hostile(trap)),
        pickle.dumps({"decoder.embed_tokens.weight": Hostile(trap)}),
        pickle.dumps({"weight": Hostile(trap)}, protocol=0),
        pickle.dumps({"weight": Hostile(trap)}, protocol=5),
        pickled(lambda write: (a_name(write, "builtins", "eval"), write(b"0}"))),
        pickled(lambda write: (a_name(write, "torch._utils", "os.mkdir"), write(b"0}"))),
        pickled(lambda write: (a_name(write, "ouroboros_jax.models.torch_pickle", "io"),)),
        pickled(lambda write: (a_name(write, "torch", "FloatStorage"), write(b")R"))),
        pickled(  # to replace what an admitted name does
            lambda write: (
                a_name(write, "torch._utils", "_rebuild_tensor_v2"),
                write(b"}U\x09_functionK\x01sb"),
            )
        ),
    ):
        write_bin(path, program)
        with pytest.raises(UserError, match=r"refused|no state dict"):
            load(str(tmp_path))
        assert not trap.exists()


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (b"}r" + (2**24).to_bytes(4, "little"), "place 16,777,216 of its memory, expected below"),
        (b"}p16777216\n", "place 16,777,216 of its memory"),
        (b"N0" * 600_000 + b"}", "more than 1,000,000 steps"),
        (b"\x8d" + (2**40).to_bytes(8, "little"), "expected 1099511627776 bytes"),
        (b"\x95" + (2**40).to_bytes(8, "little") + b"}", "damaged|no state dict"),
        (b"\x8e" + (2**40).to_bytes(8, "little"), "expected 1099511627776 bytes"),
    ],
)
@pytest.mark.parametrize("is_old", [False, True])
def test_a_pickle_that_asks_for_more_memory_than_it_fills(tmp_path, steps, sentence, is_old):
    """Each would be given gigabytes, or hours, were its numbers larger."""
    path = tmp_path / "pytorch_model.bin"
    program = pickled(lambda write: write(steps))
    if is_old:
        path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + program)
    else:
        write_bin(path, program)
    with pytest.raises(UserError, match=sentence):
        read_bin(path)


def test_tensors_that_reach_beyond_their_storage(tmp_path):
    """A state dict of one tensor, whose numbers are as told."""
    copy("tiny-opt", tmp_path)
    path = tmp_path / "pytorch_model.bin"

    def state(size=4, offset=0, shape=(2, 2), strides=(2, 1), key="0"):
        def build(write):
            write(b"}X\x01\x00\x00\x00w")
            a_name(write, "torch._utils", "_rebuild_tensor_v2")
            write(b"((X\x07\x00\x00\x00storage")
            a_name(write, "torch", "FloatStorage")
            write(b"X" + len(key).to_bytes(4, "little") + key.encode())
            write(b"X\x03\x00\x00\x00cpu" + number(size) + b"tQ" + number(offset))
            for values in (shape, strides):
                write(b"(" + b"".join(number(n) for n in values) + b"t")
            write(b"\x89}tRs")

        return pickled(build)

    def number(n):
        return b"J" + n.to_bytes(4, "little", signed=True)

    numbers = np.arange(4, dtype="<f4").tobytes()
    write_bin(path, state(), [("data/0", numbers)])
    with pytest.raises(UserError, match="missing: embed_tokens"):  # it is read, and does not fit
        load(str(tmp_path))
    for sentence, program in {
        "w reaches to number 6 of 4": state(offset=3),
        "w reaches to number 103 of 4": state(strides=(102, 1)),
        "impossible shape": state(shape=(2, -2)),
        "has 16 bytes, expected 9 numbers": state(size=9),
        "4 numbers, which is fewer": state(shape=(2**15, 2**15), strides=(0, 0)),
        "a storage named '../0'": state(key="../0"),
    }.items():
        write_bin(path, program, [("data/0", numbers)])
        with pytest.raises(UserError, match=sentence):
            load(str(tmp_path))
    write_bin(path, state(), [("data/0", numbers)], zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="compressed"):
        load(str(tmp_path))
    write_bin(path, state(), [("data/0", numbers), ("byteorder", b"big")])
    with pytest.raises(UserError, match="big-endian"):
        load(str(tmp_path))
    write_bin(path, pickle.dumps({"w": 1}))
    with pytest.raises(UserError, match="'w' is a int, expected tensors alone"):
        load(str(tmp_path))


def old_bin(tensors):
    """A file of the format before torch 1.6: pickles one after the other, and then the storages."""

    def text(word):
        return b"X" + len(word).to_bytes(4, "little") + word.encode()

    def number(n):
        return b"J" + n.to_bytes(4, "little")

    def build(write):
        write(b"}")
        for key, (name, array) in enumerate(tensors.items()):
            write(text(name))
            a_name(write, "torch._utils", "_rebuild_tensor_v2")
            write(b"((" + text("storage"))
            a_name(write, "torch", "FloatStorage")
            write(text(str(key)) + text("cpu") + number(array.size) + b"NtQ" + number(0))
            strides = [stride // array.itemsize for stride in array.strides]
            for values in (array.shape, strides):
                write(b"(" + b"".join(number(n) for n in values) + b"t")
            write(b"\x89}tRs")

    keys = [str(key) for key in range(len(tensors))]
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little": True})]
    parts = [array.size.to_bytes(8, "little") + array.tobytes() for array in tensors.values()]
    return b"".join([*head, pickled(build), pickle.dumps(keys, 2), *parts])


def test_the_format_before_torch_1_6(tmp_path):
    copy("tiny-gpt2", tmp_path)
    path = tmp_path / "pytorch_model.bin"
    tensors = load_file(FIXTURES / "tiny-gpt2/model.safetensors")
    whole = old_bin({name: array.astype("<f4") for name, array in tensors.items()})
    path.write_bytes(whole)
    assert_same(load(str(tmp_path)).params, load(str(FIXTURES / "tiny-gpt2")).params)
    for size in (3, 20, 500, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"cut short|damaged|no state dict|expected"):
            load(str(tmp_path))
    trap = tmp_path / "trap"
    for program in (pickle.dumps(Hostile(trap), 2), pickle.dumps({"w": Hostile(trap)}, 2)):
        path.write_bytes(whole[: whole.index(b"}X")][:-2] + program + pickle.dumps([], 2))
        with pytest.raises(UserError, match=r"refused"):
            load(str(tmp_path))
        assert not trap.exists()


def test_a_tied_head_alone(tmp_path):
    """What safetensors keeps of two tensors that share their memory."""
    copy("tiny-opt", tmp_path)
    tensors = load_file(FIXTURES / "tiny-opt/model.safetensors")
    table = next(name for name in tensors if name.endswith("embed_tokens.weight"))
    tensors = {k: v for k, v in tensors.items() if k != table} | {"lm_head.weight": tensors[table]}
    save_file(tensors, tmp_path / "model.safetensors")
    assert_same(load(str(tmp_path)).params, load(str(FIXTURES / "tiny-opt")).params)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "complex64"])
def test_tensors_that_are_no_weights(dtype, tmp_path):
    copy("tiny-opt", tmp_path)
    tensors = load_file(FIXTURES / "tiny-opt/model.safetensors")
    name = next(name for name in tensors if name.endswith("fc1.weight"))
    tensors[name] = tensors[name].astype(dtype)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=f"tensors of {dtype}, expected bfloat16"):
        load(str(tmp_path))


def test_tokens_that_a_small_vocabulary_lacks(tmp_path):
    """transformers writes its defaults into every config, whatever the vocabulary."""
    copy("tiny-gpt2", tmp_path, "model.safetensors")
    change_config(tmp_path, bos_token_id=50256, eos_token_id=50256, pad_token_id=-1)
    config = load(str(tmp_path)).config
    assert (config.bos, config.ends, config.pad) == (None, (), None)


@pytest.mark.parametrize("checkpoint", ["gpt2", "facebook/opt-125m"])
def test_offline_with_nothing_cached(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=rf"{checkpoint}.*neither a folder.*HF_HOME") as caught:
        load(checkpoint)
    assert "\n" not in str(caught.value)


def test_names_that_are_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    for name, sentence in {
        str(tmp_path / "none"): "is no folder, and no id",
        str(tmp_path / "file"): "is a file",
        "a/b/c": "no id of the hub",
        "x" * 5000: "is no path|no id",
        "~nobody-of-this-name/x": "is no path",
        "": "no id|missing|not there",
    }.items():
        with pytest.raises(UserError, match=sentence):
            load(name)
    with pytest.raises(UserError, match="expected a folder to write to"):
        export(DecoderConfig(8, 8, 8, 1, 1, 8), {}, tmp_path / "file")

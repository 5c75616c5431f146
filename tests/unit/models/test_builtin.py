"""The shipped model is the recorded one, reaches its loss, and says so when it is not."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from fewtune.errors import ModelError
from fewtune.models import builtin

# The beginning of a book that training held out (E. Wharton, Summer, 1917).
SAMPLE = (
    "A girl came out of lawyer Royall's house, at the end of the one street of North Dormer, "
    "and stood on the doorstep.\n"
    "It was the beginning of a June afternoon. The springlike transparent sky shed a rain of "
    "silver sunshine on the roofs of the village, and on the pastures and larchwoods "
    "surrounding it. A little wind moved among the round white clouds on the shoulders of the "
    "hills, driving their shadows across the fields and down the grassy road that takes the "
    "name of street when it passes through North Dormer."
)
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello! <b> {{ x }}"},
    {"role": "assistant", "content": "Hi.\nWhat now?"},
    {"role": "user", "content": ""},
    {"role": "assistant", "content": "  Spaces stay.  "},
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return builtin.path()


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[torch.nn.Module]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    torch.set_num_threads(threads)


def copy(folder: Path, to: Path) -> Path:
    for name in ["record.json", *builtin.record(folder)["files"]]:
        shutil.copy(folder / name, to / name)
    return to


def render(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], **more: bool) -> str:
    text = tokenizer.apply_chat_template(turns, tokenize=False, **more)
    assert isinstance(text, str)
    return text


def test_path_needs_no_torch() -> None:
    code = "import sys; from fewtune.models import builtin; builtin.path(); assert 'torch' not in "
    code += "sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_file_is_recorded_and_small(folder: Path) -> None:
    recorded = builtin.record(folder)["files"]
    present = {
        file.name
        for file in folder.iterdir()
        if file.suffix in {".safetensors", ".json", ".jinja"} and file.name != "record.json"
    }
    assert present == set(recorded)
    assert sum(entry["bytes"] for entry in recorded.values()) < 12_000_000
    for name, entry in recorded.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]


def test_the_record_is_the_script_s(folder: Path) -> None:
    script = Path(__file__).parents[3] / "pretraining" / "record.json"
    if not script.exists():
        pytest.skip("pretraining/record.json is not in this checkout")
    assert json.loads(script.read_text())["files"] == builtin.record(folder)["files"]


def test_recorded_loss_is_reached(
    folder: Path, tokenizer: PreTrainedTokenizerBase, model: torch.nn.Module
) -> None:
    recorded = builtin.record(folder)["sample"]
    assert recorded["text"] == SAMPLE
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(SAMPLE).input_ids]])
    with torch.no_grad():
        loss = model(ids, labels=ids).loss.item()
    bits = loss * (ids.shape[1] - 1) / math.log(2) / len(SAMPLE.encode())
    assert bits == pytest.approx(recorded["bits_per_byte"], abs=0.01)
    assert bits < 2.0


@pytest.mark.parametrize("first", [0, 1], ids=["with system turn", "without"])
def test_rendering_grows_by_prefixes(tokenizer: PreTrainedTokenizerBase, first: int) -> None:
    turns = CHAT[first:]
    texts = [render(tokenizer, turns[:k]) for k in range(1, len(turns) + 1)]
    for shorter, longer in pairwise(texts):
        assert longer.startswith(shorter)
        before, after = tokenizer(shorter).input_ids, tokenizer(longer).input_ids
        assert after[: len(before)] == before


def test_generation_prompt_is_the_start_of_the_answer(tokenizer: PreTrainedTokenizerBase) -> None:
    asked = render(tokenizer, CHAT[:2], add_generation_prompt=True)
    assert asked != render(tokenizer, CHAT[:2])
    assert render(tokenizer, CHAT[:3]).startswith(asked + CHAT[2]["content"])


def test_every_turn_ends_with_the_end_token(
    folder: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    ids = tokenizer(render(tokenizer, CHAT)).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    assert ids.count(tokenizer.eos_token_id) == len(CHAT)
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    assert tokenizer.eos_token_id in ends
    special = (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert len(set(special)) == 3


@pytest.mark.parametrize(
    "turns",
    [[{"role": "tool", "content": "x"}], [CHAT[1], CHAT[0]]],
    ids=["unknown role", "late system turn"],
)
def test_template_refuses(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]]) -> None:
    with pytest.raises(Exception, match="Expected the"):
        render(tokenizer, turns)


@pytest.mark.parametrize(
    "text", ["Plain words.", "“Curly” — ünï, 12.5% €", "  two  spaces\n\nand\tlines \n", "日本 🙂"]
)
def test_text_survives_the_tokenizer(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_answers_in_turns(tokenizer: PreTrainedTokenizerBase, model: torch.nn.Module) -> None:
    ended = 0
    for said in ("Hello!", "What is the opposite of early?", "Name three animals.", "Thank you."):
        inputs = tokenizer.apply_chat_template(
            [{"role": "user", "content": said}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        drawn = model.generate(**inputs, max_new_tokens=40, do_sample=False)  # type: ignore[operator]
        ended += int(drawn[0, -1]) == tokenizer.eos_token_id
    assert ended >= 3


def test_context_is_as_promised(model: torch.nn.Module) -> None:
    ids = torch.randint(6, 6000, (1, 1024), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.isfinite(model(ids).logits).all()


@pytest.mark.parametrize(
    "damage",
    ["flipped", "truncated", "missing", "other tokenizer"],
)
def test_damage_names_file_and_hash(folder: Path, tmp_path: Path, damage: str) -> None:
    copied = copy(folder, tmp_path)
    builtin.verify(copied)
    name = "tokenizer.json" if damage == "other tokenizer" else "model.safetensors"
    file = copied / name
    content = file.read_bytes()
    if damage == "flipped":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "truncated":
        file.write_bytes(content[:5000])
    elif damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content.replace(b"Hello", b"Jello") + b"\n")
    with pytest.raises(ModelError) as caught:
        builtin.verify(copied)
    message = str(caught.value)
    assert str(file) in message
    assert builtin.record(folder)["files"][name]["sha256"] in message


@pytest.mark.parametrize("content", [None, "", "[]", '{"files": 3}'])
def test_a_bad_record_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "record.json").write_text(content)
    with pytest.raises(ModelError, match=r"record\.json"):
        builtin.verify(tmp_path)

"""Ids and labels, compared with labels counted out by hand on a tokenizer of single letters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from fewtune.data.template import with_template
from fewtune.data.tokens import IGNORED, encode_inputs, encode_supervised
from fewtune.errors import DataError, ModelError
from fewtune.models.tiny import word_tokenizer
from fewtune.records import Example, Message


def letters(pieces: str = r"[\s\S]") -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token a character: <pad> 0, <s> 1, </s> 2, <unk> 3, others on."""
    known = [
        "<pad>",
        "<s>",
        "</s>",
        "<unk>",
        "\n\n",
        "\n",
        " ",
        ":",
        "!",
        *"abcdefghijklmnopqrstuvwxyz",
    ]
    known += [letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"]
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(known)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(pieces), "isolated")
    core.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


TOKENIZER = letters()
PROMPTS = letters()
with_template(PROMPTS, "prompt")
CHATS = letters()
with_template(CHATS, "chat")


def ids_of(text: str) -> list[int]:
    return [int(TOKENIZER.convert_tokens_to_ids(letter)) for letter in text]


def test_labels_of_a_prompt_by_hand():
    (row,) = encode_supervised(PROMPTS, [Example("ab", "cd", "p:1")], "prompt", 100)
    a, b, c, d, line = ids_of("abcd\n")
    assert row.ids == (1, a, b, line, c, d, 2)
    assert row.labels == (*[IGNORED] * 4, c, d, 2)
    assert row.bytes == 2
    assert row.cut == 0


def test_every_assistant_turn_supervises_its_end():
    turns = [("user", "a"), ("assistant", "bc"), ("user", "d"), ("assistant", "e")]
    row = Example("", None, "c:1", messages=tuple(Message(*turn) for turn in turns))
    (found,) = encode_supervised(CHATS, [row], "chat", 100)
    text = "<User: a\nAssistant: bc>\nUser: d\nAssistant: e>\n"
    expected = [{"<": 1, ">": 2}.get(letter, None) or ids_of(letter)[0] for letter in text]
    assert list(found.ids) == expected
    # The space after the colon is the model's to write, as is the end; the newline after is not.
    trained = [place for place, label in enumerate(found.labels) if label != IGNORED]
    first, second = text.index(" bc>"), text.index(" e>")
    assert trained == [*range(first, first + 4), *range(second, second + 3)]
    assert all(found.labels[place] == found.ids[place] for place in trained)
    assert [found.ids[place] for place in trained].count(2) == 2
    assert found.bytes == len("bc e")


def test_plain_text_is_supervised_from_its_first_letter():
    (row,) = encode_supervised(CHATS, [Example("", "abc", "t:1")], "text", 100)
    assert row.ids == (1, *ids_of("abc"), 2)
    assert row.labels == (IGNORED, *ids_of("abc"), 2)


def test_a_token_that_straddles_the_start_of_an_answer_is_trained():
    """The prompt ends with a line end and the answer begins with one: they are one token."""
    tokenizer = letters(r"\n\n|[\s\S]")
    with_template(tokenizer, "prompt")
    (row,) = encode_supervised(tokenizer, [Example("a", "\nb", "p:1")], "prompt", 100)
    (a, b), both = ids_of("ab"), tokenizer.convert_tokens_to_ids("\n\n")
    assert row.ids == (1, a, both, b, 2)
    assert row.labels == (IGNORED, IGNORED, both, b, 2)


@pytest.mark.parametrize("answer", ["a   b", "name:  Bob", "  x", "def f():\n    return  1\n\n  y"])
def test_tokens_of_spaces_alone_are_trained_where_offsets_leave_spaces_out(answer):
    """Offsets of RoBERTa's and GPT-NeoX's tokenizers end with the last letter of a token."""
    tokenizer = word_tokenizer(["a   b  c", "    x  y"] * 9)
    with_template(tokenizer, "prompt")
    found = []
    for trims in (False, True):
        core = tokenizer.backend_tokenizer
        core.post_processor = processors.ByteLevel(trim_offsets=trims)
        found += encode_supervised(tokenizer, [Example("q  ", answer, "p:1")], "prompt", 100)
        offsets = tokenizer(answer, return_offsets_mapping=True)["offset_mapping"]
        assert any(start == end for start, end in offsets) == trims
    assert found[0] == found[1]
    assert tokenizer.decode([i for i in found[1].labels if i != IGNORED]) == f"{answer}</s>"


def test_bytes_are_those_of_the_target():
    (row,) = encode_supervised(PROMPTS, [Example("a", "äß€", "p:1")], "prompt", 100)
    assert row.bytes == 2 + 2 + 3


def test_long_rows_are_named_with_their_length():
    rows = [Example("a" * 3, "b", "p:1"), Example("a" * 20, "b", "p:2"), Example("", "c", "p:3")]
    with pytest.raises(DataError, match=r"at most 10 tokens.*p:2 \(24 tokens\)") as refused:
        encode_supervised(PROMPTS, rows, "prompt", 10)
    assert "p:1" not in str(refused.value)


def test_a_row_just_as_long_as_allowed_is_taken():
    row = Example("ab", "cd", "p:1")
    assert encode_supervised(PROMPTS, [row], "prompt", 7)[0].cut == 0
    with pytest.raises(DataError, match="p:1"):
        encode_supervised(PROMPTS, [row], "prompt", 6)


def test_cutting_on_either_side():
    row = [Example("abcdef", "gh", "p:1")]
    (left,) = encode_supervised(PROMPTS, row, "prompt", 5, "left")
    assert left.ids == (*ids_of("f\ngh"), 2)
    assert left.labels == (IGNORED, IGNORED, *ids_of("gh"), 2)
    (right,) = encode_supervised(PROMPTS, row, "prompt", 9, "right")
    assert right.ids[-1] == ids_of("g")[0]
    assert left.cut == 6
    assert right.cut == 2
    assert (left.bytes, right.bytes) == (len("gh"), len("g"))


def test_bytes_of_a_row_that_was_cut_are_those_that_its_loss_is_of():
    """The first token that is left has none before it: it is not predicted, and not counted."""
    row = [Example("a", "bcdefg", "p:1")]
    (left,) = encode_supervised(PROMPTS, row, "prompt", 4, "left")
    assert left.labels == (*ids_of("efg"), 2)
    assert left.bytes == len("fg")
    (right,) = encode_supervised(PROMPTS, [Example("a", "äß€", "p:2")], "prompt", 5, "right")
    assert right.bytes == len("äß".encode())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("ab :!\n", min_size=1, max_size=12), min_size=2, max_size=6),
    st.integers(6, 60),
    st.sampled_from(["left", "right"]),
)
def test_bytes_are_those_of_the_predicted_tokens_wherever_a_chat_is_cut(contents, most, side):
    turns = [
        Message("user" if place % 2 == 0 else "assistant", f"q{text}".strip())
        for place, text in enumerate(contents)
    ]
    row = Example("", None, "c:1", messages=tuple(turns))
    try:
        (found,) = encode_supervised(CHATS, [row], "chat", most, side)
    except DataError:
        return
    predicted = [label for label in found.labels[1:] if label not in (IGNORED, 2)]
    assert found.bytes == len(TOKENIZER.decode(predicted).strip())


def test_a_row_that_cutting_empties_is_an_error_that_names_it():
    rows = [Example("a", "b", "p:1"), Example("abcdef", "gh", "p:2")]
    with pytest.raises(DataError, match="something to learn") as refused:
        encode_supervised(PROMPTS, rows, "prompt", 6, "right")
    assert refused.value.where == "p:2"
    # One token is left, but nothing stands before it from which it could be predicted.
    with pytest.raises(DataError, match="something to learn"):
        encode_supervised(PROMPTS, [Example("a", "b", "p:1")], "prompt", 1, "left")


def test_many_bad_rows_are_counted():
    rows = [Example("a" * 30, "b", f"p:{number}") for number in range(1, 9)]
    with pytest.raises(DataError, match=r"8 rows otherwise.* and 3 more"):
        encode_supervised(PROMPTS, rows, "prompt", 10)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("abc :!\n", min_size=1, max_size=12), min_size=2, max_size=6),
    st.sampled_from(["User: ", "Assistant: ", "</s>", ""]),
)
def test_labels_spell_the_answers_and_nothing_else(contents, marker):
    """Whatever turns hold, markers too: what is trained reads as the answers, each with its end."""
    turns = [
        Message("user" if place % 2 == 0 else "assistant", f"q{text}{marker}".strip())
        for place, text in enumerate(contents)
    ]
    answers = [m.content for m in turns if m.role == "assistant"]
    row = Example("", None, "c:1", messages=tuple(turns))
    (found,) = encode_supervised(CHATS, [row], "chat", 10_000)
    kept = [label for label in found.labels if label != IGNORED]
    assert TOKENIZER.decode(kept) == "".join(f" {answer}</s>" for answer in answers)
    assert sum(label == 2 for label in kept) >= len(answers)


def test_inputs_are_cut_on_the_right_and_say_by_how_much():
    short, long = encode_inputs(TOKENIZER, ["ab", "abcdef"], 4)
    assert short.ids == tuple(ids_of("ab"))
    assert (long.ids, long.cut, short.cut) == (tuple(ids_of("abcd")), 2, 0)
    assert encode_inputs(TOKENIZER, [], 4) == []


def test_a_slow_tokenizer_is_refused():
    class Slow:
        is_fast = False
        name_or_path = "old/model"

    with pytest.raises(ModelError, match="fast tokenizer"):
        encode_inputs(Slow(), ["a"], 4)

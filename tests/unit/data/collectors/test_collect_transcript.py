"""Calls and chats to messages, counted by hand."""

from __future__ import annotations

import pytest
from collector_files import collect_with

from fewtune.data.collectors.roles import known_role, parse_roles
from fewtune.data.collectors.turns import split_line
from fewtune.errors import DataError, PlanError


def turns_of(data):
    return [[(m.role, m.content) for m in example.messages] for example in data]


def test_speaker_lines_become_messages_and_one_speakers_lines_are_joined(put):
    path = put(
        "call.txt",
        "Call 17\nDate: 2026-03-02\n\n"
        "[00:00] Receptionist: Good morning.\n"
        "[00:03] Caller: Hello,\n"
        "[00:05] Caller: I need a visit\n"
        "on Monday at 10:30.\n"
        "[00:09] Receptionist: Done.\n",
    )
    data = collect_with("transcript", path)
    assert turns_of(data) == [
        [
            ("assistant", "Good morning."),
            ("user", "Hello, I need a visit on Monday at 10:30."),
            ("assistant", "Done."),
        ]
    ]
    (call,) = data
    assert call.source == "call.txt:4"
    assert call.target == "Done."
    assert call.input.startswith("assistant: Good morning.\nuser: Hello,")
    assert call.time == "2026-03-02T00:00:00"
    assert data.shape == "chat"


def test_as_prompt_gives_a_row_for_each_answer_all_in_one_group(put):
    text = "Agent: Hi.\nCustomer: A?\nAgent: B.\nCustomer: C?\nAgent: D.\n"
    data = collect_with("transcript", put("c.txt", text), shape="prompt")
    assert [(e.input, e.target, e.source, e.group) for e in data] == [
        ("assistant: Hi.\nuser: A?", "B.", "c.txt:3", "c.txt"),
        ("assistant: Hi.\nuser: A?\nassistant: B.\nuser: C?", "D.", "c.txt:5", "c.txt"),
    ]
    assert any("before the user does" in note for note in data.notes)


def test_as_text_needs_no_roles(put):
    text = "Amy: one two\nBob: three\nBob: four\nAmy: five\n"
    data = collect_with("transcript", put("c.txt", text), shape="text")
    assert [e.target for e in data] == ["Amy: one two\nBob: three four\nAmy: five"]


def test_vtt_voices_styles_entities_and_cues_that_go_on(put):
    path = put(
        "c.vtt",
        "WEBVTT - a call\n\nNOTE\nAmy: this is no speech\n\nSTYLE\n::cue { color: red }\n\n"
        "1\n00:00:00.000 --> 00:00:02.000 align:start\n<v.loud Amy>Tom &amp; <i>Amy</i>\n\n"
        "00:02.000 --> 00:03.000\ngo on\n\n"
        "00:03.000 --> 00:04.000\n<v Bob>Yes.</v> <v Amy>Good.</v>\n",
    )
    data = collect_with("transcript", path, roles={"amy": "assistant"})
    assert turns_of(data) == [
        [("assistant", "Tom & Amy go on"), ("user", "Yes."), ("assistant", "Good.")]
    ]
    assert data[0].source == "c.vtt:11"
    assert any("'Bob' was taken for the user" in note for note in data.notes)


def test_srt_with_names_and_without_blank_lines_between(put):
    path = put(
        "c.srt",
        "1\n00:00:00,200 --> 00:00:03,100\nAgent: Hello.\n2\n00:00:04,000 --> 00:00:05,000\n"
        "Caller: It is\nabout 10:30.\n\n3\n00:00:06,000 --> 00:00:07,000\nAgent: Bye.\n",
    )
    assert turns_of(collect_with("transcript", path)) == [
        [("assistant", "Hello."), ("user", "It is about 10:30."), ("assistant", "Bye.")]
    ]


def test_calls_in_one_file_are_groups_of_their_own(put):
    one = "Agent: Hi.\nCaller: A.\nAgent: B.\n"
    data = collect_with("transcript", put("calls.txt", f"Call 1\n{one}-----\nCall 2\n{one}"))
    assert [(e.source, e.group) for e in data] == [
        ("calls.txt:2", "calls.txt:2"),
        ("calls.txt:7", "calls.txt:7"),
    ]


def test_a_name_that_stands_once_is_words_and_is_said(put):
    text = "Agent: Hi.\nCaller: A.\nOne more thing: B.\nAgent: C.\nCaller: D.\nAgent: E.\n"
    data = collect_with("transcript", put("c.txt", text))
    assert data[0].messages[1].content == "A. One more thing: B."
    assert any("Line 3: 'One more thing:'" in note for note in data.notes)
    given = collect_with("transcript", put("c.txt", text), roles={"One more thing": "skip"})
    assert given[0].messages[1].content == "A."


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Amy: hi", ("Amy", "hi")),
        ("**Amy:** hi", ("Amy", "hi")),
        ("Amy (00:03): hi", ("Amy", "hi")),
        ("2024-03-01, 10:02 - Amy Lee: hi", ("Amy Lee", "hi")),
        ("[00:00:03] SPEAKER 1: hi", ("SPEAKER 1", "hi")),
        ("Amy Lee  0:03", ("Amy Lee", "")),
        ("Come at 10:30, please", None),
        ("https://example.org", None),
        ("10:30", None),
    ],
)
def test_lines_that_begin_a_turn(line, found):
    assert split_line(line) == found


def test_two_unknown_names_ask_for_roles(put):
    with pytest.raises(DataError, match=r'--roles "Joan=assistant,Tom=user"') as caught:
        collect_with("transcript", put("c.txt", "Joan: a\nTom: b\nJoan: c\n"))
    assert caught.value.where == "c.txt:1"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("one.txt", "Amy: a\nAmy: b\n", "only 'Amy' speaking"),
        ("none.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n", "nobody is named"),
        ("nocue.vtt", "WEBVTT\n\nNOTE hello\n", "Got none"),
        ("same.txt", "Agent: a\nReceptionist: b\nAgent: c\n", "no user"),
    ],
)
def test_what_is_no_conversation_says_so(put, name, text, words):
    with pytest.raises(DataError, match=words):
        collect_with("transcript", put(name, text))


def test_roles():
    assert [known_role(n) for n in ("CALLER", "Front desk", "Agent 2", "Mrs. Tanaka")] == [
        "user",
        "assistant",
        "assistant",
        "",
    ]
    with pytest.raises(PlanError, match="Amy=boss"):
        parse_roles("Amy=boss")
    with pytest.raises(PlanError, match="two for Amy"):
        parse_roles("Amy=user,Amy=assistant")


def test_old_encodings_are_read_and_said(put):
    text = "Agent: Où est le café ?\nCaller: À gauche.\nAgent: Merci.\n"
    data = collect_with("transcript", put("c.txt", text.encode("cp1252")))
    assert data[0].messages[0].content == "Où est le café ?"
    assert any("Latin-1" in note for note in data.notes)

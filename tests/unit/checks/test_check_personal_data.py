"""Personal data and what only looks like it: patterns, checksums, words around."""

from __future__ import annotations

import pytest
from check_data import chats, found, labelled, texts
from hypothesis import given
from hypothesis import strategies as st

from fewtune.data.personal import find, mask, redact


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to ann.lee+test@mail.example.co.uk.", "Write to [EMAIL]."),
        ("mail me: ann at example dot org or ann[at]example[dot]org", None),
        ("card 4111 1111 1111 1111, thanks", "card [CARD], thanks"),
        ("Amex 378282246310005", "Amex [CARD]"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [IBAN]."),
        ("gb82west12345698765432 is it", "[IBAN] is it"),
        ("my SSN is 219-09-9999", "my SSN is [SSN]"),
        ("social security number 219099999", "social security number [SSN]"),
        ("+44 20 7946 0958", "[PHONE]"),
        ("call (555) 234-5678 now", "call [PHONE] now"),
        ("it's 415-555-2671.", "it's [PHONE]."),
        ("030 1234567 in Berlin", "[PHONE] in Berlin"),
        ("my mobile is 5551234", "my mobile is [PHONE]"),
        ("Phone:555-123-4567", "Phone:[PHONE]"),
        ("tel=+442079460958", "tel=[PHONE]"),
        ("Ann,+44 20 7946 0958,x", "Ann,[PHONE],x"),
        ("I live at 221B Baker Street, London", "I live at [ADDRESS]"),
        ("send it to 1600 Pennsylvania Ave. NW", "send it to [ADDRESS] NW"),
        ("we are on 45 park lane, come", "we are on [ADDRESS], come"),
        ("Hauptstraße 12, 10115 Berlin", "[ADDRESS]"),
        ("12 rue de la Paix, 75002 Paris", "[ADDRESS]"),
        ("Calle de Alcalá 45, 28014 Madrid", "[ADDRESS]"),
    ],
)
def test_redact(text, redacted):
    result, pieces = redact(text)
    if redacted is None:
        assert result == "mail me: ann at example dot org or [EMAIL]" and pieces == 1
    else:
        assert result == redacted and pieces == 1


@pytest.mark.parametrize(
    "text",
    [
        "order number 482-193-5521",
        "Your order #4111111111111112 has shipped",  # not Luhn
        "invoice 4532 7153 3790 1234",  # not Luhn
        "version 10.4.12.2301 of 2024-01-31",
        "on 01.02.2024 at 10:30, or 12/31/2025",
        "it costs $1,299.00 or 1 299,00 €",
        "DE89 3704 0044 0532 0130 01 is mistyped",  # remainder 35
        "ISBN 978-3-16-148410-0",
        "from 192.168.10.254 to 10.0.0.1",
        "000-12-3456 and 666-12-3456 and 912-12-3456",
        "follow @fewtune or user@localhost",
        "in 5 minutes down the road, 2 cars on the street",
        "a 2 way street, 30 days on the road",
        "the years 2019-2023 and 1999 2001",
        "coordinates 52.5200, 13.4050",
        "tracking number 9400 1000 0000 0000 0000 00",
        "chapter 3, page 1024, section 12.4.5",
        "from 10:30-11:15 and 12:30:45",
        "the sums 1,555,123,4567 and x=5551234567",
    ],
)
def test_look_alikes_are_left_alone(text):
    assert redact(text) == (text, 0)


def test_the_check_counts_kinds_and_masks_instances():
    data = labelled(
        ("call +44 20 7946 0958 or ann@example.org", "a"), ("nothing", "b"), ("bo@example.org", "a")
    )
    (finding,) = found("personal_data", data)
    assert (finding.severity, finding.rows) == ("warning", ("a.csv:2", "a.csv:4"))
    assert "2 rows have personal data: 2 e-mail addresses (an…rg), 1 phone number (+4…58)" in (
        finding.evidence
    )
    assert "example" not in finding.evidence
    assert not found("personal_data", labelled(("order 12345", "a"), ("at 10:30", "b")))


def test_every_turn_of_a_chat_is_read():
    data = chats(
        [("system", "mail boss@example.org"), ("user", "hi"), ("assistant", "hello")],
        [("user", "hi"), ("assistant", "hello")],
    )
    (finding,) = found("personal_data", data)
    assert finding.rows == ("c.jsonl:1",)
    assert found("personal_data", texts("see bob@example.org"))


@given(st.text(alphabet="0123456789 -+().@/abzDE", max_size=60))
def test_places_are_ordered_apart_and_inside_the_text(text):
    places = find(text)
    ends = [0, *(p.end for p in places)]
    assert all(end <= place.start < place.end for end, place in zip(ends, places, strict=False))
    assert all(p.end <= len(text) for p in places)


def test_mask_shows_two_characters_at_each_end():
    assert mask("+44 20 7946 0958") == "+4…58"

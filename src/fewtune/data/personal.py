"""Where personal data stands in a text: patterns, checksums, and the words around them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["PLACEHOLDERS", "Place", "find", "mask", "redact"]

PLACEHOLDERS = {
    "e-mail address": "[EMAIL]",
    "card number": "[CARD]",
    "IBAN": "[IBAN]",
    "social security number": "[SSN]",
    "phone number": "[PHONE]",
    "postal address": "[ADDRESS]",
}
"""What ``--redact`` writes instead, by kind."""


@dataclass(frozen=True, slots=True)
class Place:
    """One piece of personal data: its kind and its half-open span of characters."""

    kind: str
    start: int
    end: int


EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64}(?:@|\s?[(\[]at[)\]]\s?)"
    r"(?:[A-Za-z0-9-]{1,63}(?:\.|\s?[(\[]dot[)\]]\s?)){1,4}[A-Za-z]{2,24}(?![\w-]|\.[A-Za-z])(?!:[\w/])"
)
CARD = re.compile(r"(?<![\w.,/-])\d(?:[ -]?\d){12,18}(?![\w/]|[-.,]\d)")
IBAN = re.compile(r"(?<![\w-])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}(?![\w])")
SSN = re.compile(r"(?<![\w.,/-])(\d{3})([- ])(\d{2})\2(\d{4})(?![\w/]|[-.,]\d)")
SSN_PLAIN = re.compile(r"(?<![\w.,/-])\d{9}(?![\w/]|[-.,]\d)")
PHONE = re.compile(
    r"(?<![\w./#@$€£+-])(?<!\d[:,=])(?<!\d )(?:\(?\+|\()?\d"
    r"(?:[\d()]|[ .\-/–](?=[\d(]))(?:[\d()]|[ .\-/–]{1,2}(?=[\d(])){4,40}"
    r"(?![\w@%€$£]|[:.,/-]\d)"
)

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27,
    "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27,
    "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24,
    "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "XK": 20,
}  # fmt: skip
"""Characters of an IBAN by country (ISO 13616 registry)."""

CALLED = re.compile(
    r"\b(?:phone|tel|telephone|mobile|cell|fax|whatsapp|call|called|calling|ring|reach|text|sms|"
    r"dial|contact|handy|hotline|landline|callback|telefon|teléfono|téléphone|móvil)\b\.?[^.!?]{0,30}$",
    re.IGNORECASE,
)
NOT_CALLED = re.compile(
    r"(?:\b(?:order|ticket|ref|reference|invoice|tracking|parcel|case|booking|confirmation|isbn|"
    r"sku|serial|version|build|part|model|policy|claim|id|item|product|batch|lot|receipt|"
    r"account|member|customer|patient|coordinates?|po|rma|upc|ean|license|licence|document|file|"
    r"transaction|reservation|voucher|code|pin)\b(?:\s+(?:number|no|nr|code|id|is|was|my))*"
    r"|\b(?:no|nr)\b\.?|#)\s*(?:[:=.#-]|is|was)?\s*$",
    re.IGNORECASE,
)
SOCIAL = re.compile(r"\b(?:ssn|social(?: security)?|tax id)\b[^.!?]{0,30}$", re.IGNORECASE)
DATE = re.compile(
    r"(?:19|20)\d{2}([-./ ])\d{1,2}\1\d{1,2}|\d{1,2}([-./ ])\d{1,2}\2(?:19|20)?\d{2}|"
    r"(?:19|20)\d{2}\s?[-–/]\s?(?:19|20)\d{2}"
)

_STREET_WORDS = (
    r"(?:(?:Street|Avenue|Road|Boulevard|Lane|Drive|Court|Way|Square|Place|Terrace|Parkway|Highway|"
    r"Close|Crescent|Gardens|Grove|Mews|Row|Hill|Circle|Trail)\b|"
    r"(?:St|Ave|Rd|Blvd|Ln|Dr|Ct|Sq|Pl|Pkwy|Hwy)\b\.?)"
)
_NAME = r"(?:[A-Z][\w'’]*\.?|\d{1,3}(?:st|nd|rd|th))"
_UNIT = (
    r"(?:,?\s+(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|#)\.?\s*\w{1,5})?"
    r"(?:,\s*[A-Z][a-z]+(?: [A-Z][a-z]+){0,2})?(?:,?\s+[A-Z]{2}\s+\d{5}(?:-\d{4})?)?"
    r"(?:,?\s+[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2})?"
)
_ZIP_CITY = r"(?:,?\s+\d{4,5}\s+[A-ZÄÖÜÉ][\wäöüßéè-]+)?"
ADDRESSES = [
    re.compile(
        rf"(?<![\w.,:/$€£-])\d{{1,5}}[A-Za-z]?,? (?:[NSEW]\.? |North |South |East |West )?"
        rf"(?:{_NAME} ){{1,3}}{_STREET_WORDS}{_UNIT}"
    ),
    # Transcripts have no capitals: only the words that hardly mean anything else.
    re.compile(
        r"(?<![\w.,:/$€£-])\d{1,5}[a-z]? (?!(?:of|the|in|on|a|an|minutes?|hours?|days?|miles?|"
        r"times?|more|or|and|to|for|people|cars?|blocks?|main|different|star|way|lane|km|am|pm|"
        r"years?|weeks?|months?|per|busy|houses?|shops?|new)\b)(?:[a-z'’]+ ){1,2}"
        r"(?:street|avenue|road|boulevard|lane|drive)\b"
    ),
    re.compile(
        r"\b[A-ZÄÖÜ][a-zäöüß]+(?:straße|strasse|str\.|weg|platz|allee|gasse|damm|ufer)"
        rf"\s\d{{1,4}}\s?[a-z]?\b{_ZIP_CITY}"
    ),
    re.compile(
        r"\b(?:[A-ZÄÖÜ][\wäöüß]+(?:er|en)? )(?:Straße|Strasse|Str\.|Platz|Allee|Weg|Damm|Ufer|Ring)"
        rf"\s\d{{1,4}}\s?[a-z]?\b{_ZIP_CITY}"
    ),
    re.compile(
        r"\b\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|boulevard|place|chemin|allée|impasse|quai|"
        r"cours) (?:(?:de|du|des|la|le|les|l['’]|d['’]) ?)*[A-ZÉÈ][\w'’éèêàç-]+"
        rf"(?: [A-ZÉÈ][\w'’éèêàç-]+)*{_ZIP_CITY}"
    ),
    re.compile(
        r"\b(?:Calle|Avenida|Avda\.|Plaza|Paseo|Carrera|Via|Viale|Piazza|Corso|Rua|Praça) "
        r"(?:(?:de|del|della|dei|da|do|la|las|los|el) )*[A-ZÁÉÍÓÚ][\wáéíóúñ]+"
        rf"(?: [A-ZÁÉÍÓÚ][\wáéíóúñ]+)*,? (?:n\.? ?º? ?)?\d{{1,4}}\b{_ZIP_CITY}"
    ),
    re.compile(
        r"\b[A-Z][a-z]+(?:straat|laan|plein|gracht|kade|dijk|singel|gatan|vägen)\s\d{1,4}[a-z]?\b"
        r"(?:,?\s+\d{4}\s?[A-Z]{2}\b(?:\s+[A-Z]\w+)?)?"
    ),
    re.compile(r"\b[Pp]\.? ?[Oo]\.? [Bb]ox \d{1,6}\b"),
]  # fmt: skip


def find(text: str) -> list[Place]:
    """Return the personal data in a text, in order, without overlaps.

    Cards are checked by Luhn's sum and by issuer, IBANs by length and remainder mod 97 (ISO 7064),
    social security numbers by the ranges never issued; phone numbers by the shape of known number
    plans or a word such as "call" before them, unless a word such as "order" stands there.
    """
    digits = any(character.isdigit() for character in text)
    if not digits and "@" not in text and "at" not in text:
        return []
    taken: list[Place] = []
    covered = bytearray(
        len(text)
    )  # characters that belong to a place; one for each is quick to ask
    _take(taken, covered, text, "e-mail address", EMAIL, lambda match: True)
    if digits:
        _take(taken, covered, text, "IBAN", IBAN, None, _iban_end)
        _take(taken, covered, text, "card number", CARD, _is_card)
        _take(taken, covered, text, "social security number", SSN, _is_ssn)
        _take(taken, covered, text, "social security number", SSN_PLAIN, _is_called_ssn)
        for pattern in ADDRESSES:
            _take(taken, covered, text, "postal address", pattern, lambda match: True)
        _take(taken, covered, text, "phone number", PHONE, _is_phone)
    return sorted(taken, key=lambda place: place.start)


def redact(text: str) -> tuple[str, int]:
    """Return the text with a placeholder for each piece of personal data, and their number.

    Examples
    --------
    >>> redact("Write to ann@example.org or call +44 20 7946 0958.")
    ('Write to [EMAIL] or call [PHONE].', 2)
    """
    places = find(text)
    for place in reversed(places):
        text = text[: place.start] + PLACEHOLDERS[place.kind] + text[place.end :]
    return text, len(places)


def mask(piece: str) -> str:
    """Return a piece of personal data that can be recognised by who knows it, and by nobody else.

    Examples
    --------
    >>> mask("ann@example.org")
    'an…rg'
    """
    return f"{piece[:2]}…{piece[-2:]}"


def _take(
    taken: list[Place],
    covered: bytearray,
    text: str,
    kind: str,
    pattern: re.Pattern[str],
    holds: Callable[[re.Match[str]], bool] | None,
    end_of: Callable[[re.Match[str]], int] | None = None,
) -> None:
    """Add the matches that hold and touch nothing taken before; ``end_of`` may shorten one."""
    for match in pattern.finditer(text):
        end = end_of(match) if end_of is not None else match.end()
        if end <= match.start() or (holds is not None and not holds(match)):
            continue
        if not any(covered[match.start() : end]):
            taken.append(Place(kind, match.start(), end))
            covered[match.start() : end] = b"\1" * (end - match.start())


ISSUED = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|"
    r"3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6\d{15,18}"
)
"""Card numbers by issuer: Visa, Mastercard, American Express, Diners Club, JCB, Discover."""


def _is_card(match: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", match.group())
    return ISSUED.fullmatch(digits) is not None and _luhn(digits)


def _luhn(digits: str) -> bool:
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        if place % 2:
            digit = digit * 2 - 9 * (digit > 4)
        total += digit
    return total % 10 == 0


def _iban_end(match: re.Match[str]) -> int:
    """Return where the IBAN ends that begins here, by its country's length; 0 where none does."""
    length = IBAN_LENGTHS.get(match.group()[:2].upper())
    if length is None:
        return 0
    end, kept = match.start(), ""
    while end < match.end() and len(kept) < length:
        if match.string[end] != " ":
            kept += match.string[end].upper()
        end += 1
    follows = match.string[end : end + 1]
    if len(kept) != length or follows.isalnum():
        return 0
    turned = "".join(str(int(character, 36)) for character in kept[4:] + kept[:4])
    return end if int(turned) % 97 == 1 else 0


def _is_ssn(match: re.Match[str]) -> bool:
    area, _, group, serial = match.groups()
    before = match.string[max(0, match.start() - 40) : match.start()]
    issued = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return issued and not NOT_CALLED.search(before)


def _is_called_ssn(match: re.Match[str]) -> bool:
    return bool(SOCIAL.search(match.string[max(0, match.start() - 40) : match.start()]))


NORTH_AMERICAN = re.compile(
    r"(?:\+?1[-. ]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}([-. ]))\d{3}(?(1)\1|[-. ])\d{4}"
)
NATIONAL = re.compile(r"\(?0\d{1,5}\)?(?:[ \-/]+\d{2,8}){1,5}")
MOBILE = re.compile(r"07\d{9}|01[567]\d{8,9}|0[67]\d{8}")


def _is_phone(match: re.Match[str]) -> bool:
    found = match.group()
    digits = re.sub(r"\D", "", found)
    before = match.string[max(0, match.start() - 40) : match.start()]
    if (DATE.match(found) and len(digits) <= 8) or SSN.fullmatch(found):
        return False
    if NOT_CALLED.search(before):
        return False
    if found.lstrip("(").startswith("+"):
        return 8 <= len(digits) <= 15
    if digits.startswith("00") and re.match(r"00[1-9]", digits) and re.search(r"\D", found):
        return 10 <= len(digits) <= 17
    if NORTH_AMERICAN.fullmatch(found):
        return True
    if NATIONAL.fullmatch(found) and 9 <= len(digits) <= 12:
        return True
    if MOBILE.fullmatch(found):
        return True
    return 7 <= len(digits) <= 15 and CALLED.search(before) is not None and not DATE.match(found)

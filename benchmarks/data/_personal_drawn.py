"""Personal data and look-alikes drawn from public facts about their formats, not from the patterns.

Phone numbers follow national numbering plans (lengths and prefixes as in ITU E.164 and national
regulators' lists, in the way of writing that is usual there), IBANs the structures of the ISO 13616
registry with computed check digits, cards the networks' prefixes and lengths with Luhn's digit,
social security numbers the ranges that were issued. A look-alike breaks one such fact, or is a
number of another kind. Nothing here imports what it judges.
"""

# ruff: noqa: E501
from __future__ import annotations

import random
import string

__all__ = ["drawn"]

PHONES = """US|(###) ###-####;###-###-####;+1 ### ### ####;1-###-###-####;###.###.####
GB|07### ######;020 #### ####;0161 ### ####;+44 7### ######;+44 20 #### ####
DE|030 #######;0151 ########;+49 30 #######;+49 171 #######;089/######
FR|06 ## ## ## ##;01 ## ## ## ##;+33 6 ## ## ## ##
ES|+34 6## ### ###;+34 91 ### ## ##
IT|+39 06 #### ####;+39 3## ### ####
NL|06-########;020-#######;+31 6 ########
SE|070-### ## ##;+46 70 ### ## ##
NO|+47 4## ## ###
DK|+45 ## ## ## ##
PL|+48 6## ### ###
AT|0664 #######;+43 664 #######
CH|079 ### ## ##;+41 79 ### ## ##
BE|0470 ## ## ##;+32 470 ## ## ##
PT|+351 91# ### ###
IE|087 ### ####;+353 87 ### ####
AU|0412 ### ###;(02) #### ####;+61 412 ### ###
NZ|021 ### ####;+64 21 ### ####
IN|+91 98### #####;098### #####
JP|090-####-####;03-####-####;+81 90-####-####
KR|010-####-####;+82 10-####-####
CN|+86 138 #### ####
BR|+55 11 9####-####;(11) 9####-####
MX|+52 55 #### ####
ZA|082 ### ####;+27 82 ### ####
TR|0532 ### ## ##;+90 532 ### ## ##
GR|+30 69# ### ####
FI|040 ### ####;+358 40 ### ####
IL|054-###-####;+972 54-###-####
AE|+971 50 ### ####"""

IBANS = """AD=4n4n12c AE=3n16n AT=5n11n BE=3n7n2n BG=4a6n8c CH=5n12c CY=8n16c CZ=4n16n DE=8n10n DK=4n10n
EE=2n14n ES=4n4n2n10n FI=14n FR=5n5n11c2n GB=4a14n GI=4a15c GR=7n16c HR=7n10n HU=24n IE=4a14n
IS=22n IT=1a10n12c LI=5n12c LT=16n LU=3n13c LV=4a13c MC=10n11c2n MT=4a5n18c NL=4a10n NO=11n PL=24n
PT=21n RO=4a16c SA=2n18c SE=20n SI=15n SK=20n SM=1a10n12c TR=5n1n16c UA=6n19c"""

CARDS = {"visa": (["4"], 16), "mastercard": (["51", "55", "2221", "2720"], 16),
         "american express": (["34", "37"], 15), "discover": (["6011", "65"], 16),
         "jcb": (["3528", "3589"], 16), "diners": (["36", "38"], 14)}  # fmt: skip

FIRST = (
    "anna ben clara david elif finn grace hugo ines jonas kofi lena marta nils olga priya".split()
)
LAST = "archer becker costa duval eriksen fischer garcia hughes ivanov jansen kumar lopez".split()
HOSTS = "example.com example.org mail.example.net post.example.co.uk example.de example.io".split()

ADDRESSES = """{n} {A} Street|{n} {A} Road, {C} {uk}|{n} {A} Avenue, Apt {m}|{n} North {A} Drive
{n} {A} Lane|Flat {m}, {n} {A} Gardens|{n} {A} Blvd, {C}, TX 7{m5}|{n} W {m}th St|P.O. Box {m5}
{B}straße {m}|{B}str. {m}, {m5} {C}|{B}weg {m}a|Am {B}platz {m}|{B}allee {m}
{m} rue de la {A}|{m} avenue des {A}s|{m} bis boulevard {A}|Calle {A} {m}|Avenida de la {A}, {m}
Via {A} {m}|Piazza {A} {m}|Rua {A} {m}|{B}straat {m}|{B}laan {m}|{B}gatan {m}"""

SAYINGS = {
    "email": "write to {};my mail is {}, thanks;{};please cc {} on it;it was sent from {} on Friday",
    "phone": "call me on {};my number is {};{} is my mobile;tel. {};you can reach us at {} till 5",
    "card": "my card is {};charge {} please;card number {};pay it with {};I typed {} and it failed",
    "iban": "IBAN {};send it to {};my account is {};{} is the new one;the refund goes to {}",
    "ssn": "my SSN is {};social security number {};ssn: {};her social is {};it says SSN {} here",
    "address": "I live at {};ship it to {};my new address is {};we moved to {};{} is where I am",
}

OTHERS = """order {8}|my order number is {3}-{7}|invoice {10}|ticket {6}|case number {9}|version {1}.{2}.{1}
build {5}|on 2024-0{1}-1{1}|on 1{1}/0{1}/2023|from 0{1}:3{1} to 1{1}:4{1}|it cost {3}.{2} euros|${4}.{2}
I paid {1},{3}.{2} for it|ISBN 978-{1}-{2}-{6}-{1}|the server 192.168.{1}.{2}|tracking number {4} {4} {4} {4} {2}
serial {4}-{4}-{4}|reference {2}/{4}/{2}|booking {6}|policy {3}-{3}-{4}|room {3} on floor {1}|{4} people came
{1}{2}% of {4}|page {3} of {3}|sku {13}|coordinates {2}.{4}, {1}.{4}|about {7} yen|population {1} {3} {3}
model X{3}-{2}|error 0x{6}|part no. {5}-{3}|flight AB {4}|bus {3}|size {2} x {2} x {2} cm|{2} mg of it
between 1{3} and 2{3}|scored {1}-{1}|members {5}|item {7}|claim no {3}-{2}-{4}|lot {6}-{2}
the code is {6}|pin {4}|{1} {2} {2} {2}|batch {8}|licence {2} {6}|the year 19{2}-19{2}|account ending {4}"""


def _digits(pattern: str, draw: random.Random) -> str:
    # A national number does not begin with 0 or 1 where North American plans forbid it.
    out, fresh = "", True
    for character in pattern:
        out += (
            draw.choice("23456789" if fresh else string.digits) if character == "#" else character
        )
        fresh = character not in "#" and not character.isdigit()
    return out


def _check_digits(country: str, rest: str) -> str:
    number = "".join(str(int(c, 36)) for c in rest + country + "00")
    return f"{98 - int(number) % 97:02d}"


def _iban(country: str, structure: str, draw: random.Random, broken: bool) -> str:
    rest, count = "", ""
    for character in structure:
        if character.isdigit():
            count += character
            continue
        letters = {"n": string.digits, "a": string.ascii_uppercase}.get(
            character, string.digits + string.ascii_uppercase
        )
        rest += "".join(draw.choice(letters) for _ in range(int(count)))
        count = ""
    check = _check_digits(country, rest)
    if broken:
        check = f"{(int(check) + draw.randint(1, 90)) % 97 + 1:02d}"
        if check == _check_digits(country, rest):
            check = "01"
    whole = country + check + rest
    if draw.random() < 0.5:
        return whole
    return " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))


def _card(network: str, draw: random.Random, broken: bool) -> str:
    prefixes, length = CARDS[network]
    body = draw.choice(prefixes)
    body += "".join(draw.choice(string.digits) for _ in range(length - 1 - len(body)))
    total = 0
    for place, character in enumerate(reversed(body)):
        doubled = int(character) * (2 - place % 2)
        total += doubled - 9 * (doubled > 9)
    last = (-total + (draw.randint(1, 9) if broken else 0)) % 10
    whole = body + str(last)
    if length == 16 and draw.random() < 0.6:
        mark = draw.choice(" -")
        return mark.join(whole[i : i + 4] for i in range(0, 16, 4))
    return whole


def _address(form: str, draw: random.Random) -> str:
    def name() -> str:
        return draw.choice("Linden Mill Park Castle Garden River Church Station Oak Rose".split())

    place = draw.choice("Leeds Berlin Austin Lyon Madrid Utrecht Bath Graz".split())
    return form.format(
        n=draw.randint(1, 999), m=draw.randint(2, 90), m5=draw.randint(1000, 9999), A=name(),
        B=name(), C=place, uk=f"{draw.choice(['LS', 'BA', 'SW'])}{draw.randint(1, 9)} {draw.randint(1, 9)}AB",
    )  # fmt: skip


def drawn(seed: int) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """Return sentences with the kind and span of their personal data; look-alikes have none."""
    draw = random.Random(seed)
    pieces: list[tuple[str, str]] = []
    for line in PHONES.split("\n"):
        for form in line.partition("|")[2].split(";"):
            pieces += [("phone", _digits(form, draw)) for _ in range(2)]
    structures = dict(pair.split("=") for pair in IBANS.split())
    pieces += [("iban", _iban(c, s, draw, False)) for c, s in structures.items() for _ in range(2)]
    pieces += [("card", _card(network, draw, False)) for network in CARDS for _ in range(12)]
    for _ in range(60):
        mark = draw.choice(["", ".", "_", "-"])
        user = (
            f"{draw.choice(FIRST)}{mark}{draw.choice(LAST)}{draw.choice(['', '7', '+shop', '84'])}"
        )
        pieces.append(("email", f"{user}@{draw.choice(HOSTS)}"))
    for _ in range(40):
        area = draw.choice([a for a in range(1, 900) if a != 666])
        pieces.append(("ssn", f"{area:03d}-{draw.randint(1, 99):02d}-{draw.randint(1, 9999):04d}"))
    forms = ADDRESSES.replace("\n", "|").split("|")
    pieces += [("address", _address(form, draw)) for form in forms for _ in range(4)]
    sentences = []
    for kind, piece in pieces:
        saying = draw.choice(SAYINGS[kind].split(";"))
        start = saying.index("{}")
        sentences.append((saying.replace("{}", piece), [(kind, start, start + len(piece))]))
    look_alikes = [
        _filled(form, draw) for form in OTHERS.replace("\n", "|").split("|") for _ in range(5)
    ]
    for network in CARDS:
        look_alikes += [f"the parcel {_card(network, draw, True)} is lost" for _ in range(6)]
    for country, structure in structures.items():
        look_alikes += [
            f"part {_iban(country, structure, draw, True)} is missing" for _ in range(2)
        ]
    look_alikes += [
        f"form {draw.choice(['000', '666'])}-{draw.randint(10, 99)}-1234" for _ in range(20)
    ]
    look_alikes += [f"{draw.choice(FIRST)} @ {draw.choice(LAST)} at {h}:30" for h in range(1, 31)]
    return [*sentences, *((text, []) for text in look_alikes)]


def _filled(form: str, draw: random.Random) -> str:
    """Return the form with ``{n}`` as n digits, of which the first is not 0."""
    out, rest = "", form
    while "{" in rest:
        before, _, rest = rest.partition("{")
        count, _, rest = rest.partition("}")
        number = draw.choice("123456789") + "".join(
            draw.choice(string.digits) for _ in range(int(count) - 1)
        )
        out += before + number
    return out + rest

"""Languages that come seldom, and answers in another language than their input.

Languages are told by script and by function words, from small tables of our own: enough to find a
strayed row, silent on texts too short to tell.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from fewtune.checks._rows import TEXT_SHAPES, count, question, quote, sample, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["Languages", "language_of"]

MOST_ROWS = 20_000
SEVERAL = 0.2
"""From this share on, a second language is taken for meant."""

FUNCTION_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "English": "the and is are was were you your have has had that this these those with for "
        "from what when where which who how not can could would should will my me it its of to "
        "do does did there been they them their but if or so we our he she his her i i'm i'd at "
        "by please about any some more in on as be am an",
        "German": "der die das und ist sind war ich nicht ein eine einen einem einer mit für auf "
        "den dem des von zu im wie was wann wo wer haben hat kann können möchte bitte mein meine "
        "sie wir auch noch aber oder wenn dass es bei nach über uns ihr ihre wird werden habe",
        "French": "le la les un une des et est sont je vous nous il elle ne pas que qui dans pour "
        "avec sur mon ma mes votre vos ce cette ces du au aux par plus comment quand où pourquoi "
        "bonjour suis avez peux être fait mais ou donc j'ai c'est d'un d'une n'est qu'il",
        "Spanish": "el la los las un una unos y es son yo usted que de en por para con mi mis su "
        "no se lo le del al como cómo cuándo dónde qué quiero puedo tengo hola gracias está este "
        "esta pero o si más muy hay ser nos me",
        "Italian": "il lo la gli le un una e è sono io lei che di in per con mio mia suo non si "
        "del della dei delle al alla come quando dove perché vorrei posso ho ciao grazie questo "
        "questa ma o se più molto c'è mi ci nel nella dal",
        "Portuguese": "o a os as um uma e é são eu você que de em por para com meu minha seu sua "
        "não se do da dos das ao à como quando onde quero posso tenho olá obrigado está este esta "
        "mas ou mais muito há no na nos pelo",
        "Dutch": "de het een en is zijn ik niet dat die van voor met op aan te wat wanneer waar "
        "wie hoe mijn uw jullie wij we heb heeft kan kunnen wil graag alstublieft maar of als ook "
        "nog bij naar er deze dit om mij je",
        "Swedish": "och är jag inte det som en ett den att för med på av till vad när var hur min "
        "mitt ni vi har kan vill tack men eller om också från du mig ska inte detta",
        "Polish": "i jest są nie to na w z że się do jak kiedy gdzie mój moja proszę mam czy ale "
        "lub od po przez dla ja pan pani być co chcę mogę jestem",
        "Turkish": "ve bir bu şu ne için ile değil var yok ben siz biz mi mı mu nasıl zaman nerede "
        "lütfen çok ama veya daha gibi benim olarak istiyorum",
    }.items()
}
SAME_IN_ENGLISH = FUNCTION_WORDS["English"] | frozenset(
    "no a me as do on in an was die war am is of to he we so or come son men pan per plus par all "
    "had her him van des los dan den wat man bin hat also dos non ten pas tu na u".split()
)
"""Words that say nothing against English."""

TELLING = {
    language: known if language == "English" else known - SAME_IN_ENGLISH
    for language, known in FUNCTION_WORDS.items()
}

SCRIPTS = {
    "CYRILLIC": "Cyrillic script",
    "GREEK": "Greek",
    "ARABIC": "Arabic script",
    "HEBREW": "Hebrew",
    "DEVANAGARI": "Devanagari script",
    "THAI": "Thai",
    "HANGUL": "Korean",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "CJK": "Chinese or Japanese",
}
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Languages(Check):
    """Finds rows in a language that few other rows are in."""

    shapes = TEXT_SHAPES

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return a finding for rows in a rare language, one for answers in another than asked."""
        data = context.data
        rows = sample(context, MOST_ROWS)
        asked = {i: language_of(question(data.examples[i])) for i in rows}
        told = Counter(language for language in asked.values() if language)
        if not told:
            return
        main, times = told.most_common(1)[0]
        others = [i for i, language in asked.items() if language not in ("", main)]
        if others:
            rare = len(others) < SEVERAL * told.total()
            names = ", ".join(f"{name} ({n:,})" for name, n in told.most_common()[1:5])
            yield Finding(
                "languages",
                "warning" if rare else "note",
                sources(data, others),
                f"{count(times, 'row is', 'rows are')} in {main}, {len(others):,} in another "
                f"language: {names}; e.g. {quote(question(data.examples[others[0]]))}.",
                "Take them out, or bring enough of each language to learn and to judge it",
            )
        if data.shape in ("prompt", "chat"):
            yield from _crossed(context, asked)


def _crossed(context: Context, asked: dict[int, str]) -> Iterable[Finding]:
    answered = {i: language_of(context.data.examples[i].target or "") for i in asked}
    both = [i for i in asked if asked[i] and answered[i]]
    crossed = [i for i in both if asked[i] != answered[i]]
    # Where most rows cross, translating is the task.
    if not crossed or len(crossed) >= SEVERAL * len(both):
        return
    first = crossed[0]
    yield Finding(
        "languages",
        "warning",
        sources(context.data, crossed),
        f"{count(len(crossed), 'row')} of {len(both):,} answer in another language than they are "
        f"asked in ({share(len(crossed), len(both))}): {asked[first]} → {answered[first]}, "
        f"{quote(context.data.examples[first].target or '')}.",
        "Answer in the language of the question, unless these rows translate",
    )


def language_of(text: str) -> str:
    """Return the language, or the script, of a text; empty where it is too short to tell.

    Examples
    --------
    >>> language_of("Ich möchte bitte einen Termin für morgen")
    'German'
    >>> language_of("Visa card")
    ''
    """
    script = _script(text)
    if script:
        return script
    words = [w.lower().replace("’", "'") for w in WORD.findall(text[:2000])]
    if len(words) < 4:
        return ""
    counts = Counter(words)
    hits = {
        language: sum(counts[w] for w in known if w in counts)
        for language, known in TELLING.items()
    }
    (best, most), (_, second) = sorted(hits.items(), key=lambda item: -item[1])[:2]
    kinds = sum(1 for w in TELLING[best] if w in counts)
    if most < max(2, 0.2 * len(words)) or kinds < 2 or most < 1.5 * second:
        return ""
    # Another language than English is told only where English words are few: names are foreign.
    if best != "English" and hits["English"] > 0.15 * len(words):
        return ""
    return best


def _script(text: str) -> str:
    """Return the script in which at least half of the letters are, unless it is Latin."""
    strange = NOT_ASCII.findall(text[:2000])
    if not strange:
        return ""
    names = Counter(
        unicodedata.name(character, "").split(" ")[0].split("-")[0]
        for character in strange
        if character.isalpha()
    )
    letters = sum(1 for character in text[:2000] if character.isalpha())
    if names["HIRAGANA"] + names["KATAKANA"] > 0 and names["CJK"]:
        names["HIRAGANA"] += names.pop("CJK")
    for name, script in SCRIPTS.items():
        if names[name] * 2 >= max(letters, 1):
            return script
    return ""

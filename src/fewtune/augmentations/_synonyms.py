"""Words near to a word: by WordNet where its data is present, by a model's input embeddings else.

Embeddings put a word's forms and its opposites near it too. Forms of the same word are left out;
only words that have each other among their nearest count; the filter on meaning does the rest.
"""

from __future__ import annotations

from typing import Any

from fewtune.augmentations._words import protected
from fewtune.augmentations.base import Tools
from fewtune.data.words import FILLERS, FUNCTION_WORDS

__all__ = ["Thesaurus", "wordnet"]

STEM = 4
"""Letters that two words share at the start to count as forms of one word."""

_KEPT = (
    FUNCTION_WORDS
    | FILLERS
    | frozenset(
        """
    what when where which who whom whose why how can could will would shall should may might must
    if than while because am pm as very only more most much many other another last next
    have has had having go goes going come comes coming make makes take takes give put let lets
    myself yourself himself herself itself oneself ourselves yourselves themselves
    here there up down out off over under back
    anything everything something anyone everyone someone anybody everybody somebody
    monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays
    thursdays fridays saturdays sundays weekend weekends weekday weekdays
    january february march april may
    june july august september october november december today tomorrow yesterday morning noon
    afternoon afternoons evening evenings morning mornings night nights hour hours minute minutes
    day days week weeks month months year years before after
    """.split()
    )
)
"""Words that have no synonyms worth the name: of grammar, and of time, where near means another."""

_FORMS = """
    be is are was were been,break broke broken,bring brought,build built,buy bought,
    catch caught,choose chose chosen,come came,cost,cut,do does did done,drink drank drunk,
    drive drove driven,eat ate eaten,fall fell fallen,feel felt,find found,fly flew flown,
    forget forgot forgotten,get got gotten,give gave given,go went gone,grow grew grown,
    have has had,hear heard,hold held,hurt,keep kept,know knew known,lead led,leave left,
    lend lent,lose lost,make made,mean meant,meet met,pay paid,ring rang rung,rise rose risen,
    run ran,say said,see saw seen,sell sold,send sent,show shown,sit sat,sleep slept,
    speak spoke spoken,spend spent,stand stood,steal stole stolen,take took taken,
    teach taught,tell told,think thought,throw threw thrown,understand understood,wake woke woken,
    swell swollen,swim swam swum,wear wore worn,win won,
    write wrote written,child children,man men,woman women,foot feet,
    tooth teeth,person people,good better best,bad worse worst
"""
_VERB = {form: group.split()[0] for group in _FORMS.split(",") for form in group.split()}
"""English forms that share no beginning, to the first of them."""

_APART = """
    long short,longer shorter,late early,later earlier,latest earliest,big small,bigger smaller,
    large small,larger smaller,high low,higher lower,hot cold,hotter colder,old new young,
    older newer younger,good great bad,better worse,best worst,open closed shut,left right,
    fast slow,rich poor,true false,start end stop,buy sell,borrow lend,borrowing lending,
    push pull,love hate,increase decrease,add remove,win lose,accept reject refuse,arrive leave,
    husband wife,son daughter,mother father,mom dad,brother sister,boy girl,man woman,men women,
    male female,uncle aunt,king queen,street avenue road,black white red blue green yellow,
    north south east west,breakfast lunch dinner,cat dog,easy hard,cheap expensive,
    always sometimes often,say tell,says tells,said told,
    instead rather,first last,inside outside,empty full
"""
_NOT_ALIKE = [frozenset(group.split()) for group in _APART.split(",")]
"""English words that embeddings put side by side, and of which none may stand for another."""

_ENDINGS = ("s", "ed", "ing", "ly")
"""Endings that a word and its replacement must both have or both lack, or grammar breaks."""


class Thesaurus:
    """Near words of words, looked up once each.

    Parameters
    ----------
    tools
        The models.
    nearest
        Words looked at.
    least
        Cosine below which a word is not near.
    """

    def __init__(self, tools: Tools, nearest: int = 8, least: float = 0.5) -> None:
        self._tools = tools
        self._nearest = nearest
        self._least = least
        self._found: dict[str, list[str]] = {}
        self._wordnet = wordnet()
        self._model = tools.nearest_words("word", 1) is not None

    def __bool__(self) -> bool:
        """Return whether there is anything to look words up in."""
        return self._model or self._wordnet is not None

    def near(self, word: str) -> list[str]:
        """Return words near to ``word`` in small letters, sorted; none for a word of grammar."""
        word = word.lower()
        if word in _KEPT or protected(word) or not word.isalpha() or len(word) < 3:
            return []
        if word not in self._found:
            candidates = self._by_wordnet(word) or self._by_model(word)
            good = {w for w in candidates if w not in _KEPT and w != word and _fits(word, w)}
            self._found[word] = sorted(w for w in good if not protected(w))
        return self._found[word]

    def _by_wordnet(self, word: str) -> set[str]:
        if self._wordnet is None:
            return set()
        synsets = self._wordnet.synsets(word)
        names = (name for synset in synsets[:2] for name in synset.lemma_names())
        return {name.lower() for name in names if name.isalpha()}

    def _by_model(self, word: str) -> set[str]:
        if not self._model:
            return set()
        return {
            other
            for other in self._neighbours(word)
            if word in self._neighbours(other) and other != word
        }

    def _neighbours(self, word: str) -> list[str]:
        found = self._tools.nearest_words(word, self._nearest) or []
        return [other for other, cosine in found if cosine >= self._least]


def _fits(word: str, other: str) -> bool:
    """Return whether another word may stand for a word: of its ending, and no form of it."""
    if any(word.endswith(ending) != other.endswith(ending) for ending in _ENDINGS):
        return False
    forms = {word: "", other: ""} | {w: _VERB[w] for w in (word, other) if w in _VERB}
    if forms[word] and forms[word] == forms[other]:
        return False
    if any(word in group and other in group for group in _NOT_ALIKE):
        return False
    # A basic form for a past one, or the other way round, breaks the sentence too.
    past = [bool(base) and base != w for w, base in forms.items()]
    return past[0] == past[1] and not _same_stem(word, other)


def _same_stem(one: str, two: str) -> bool:
    """Return whether two words begin alike, such as bill and billed, or one ends in the other."""
    if one[:STEM] == two[:STEM] or one.endswith(two) or two.endswith(one):
        return True
    shared = sum(1 for a, b in zip(one, two, strict=False) if a == b)
    return one[:3] == two[:3] and shared >= min(len(one), len(two)) - 1


def wordnet() -> Any:
    """Return nltk's WordNet, or ``None`` where nltk or the data is not installed."""
    try:
        from nltk.corpus import wordnet as corpus

        corpus.synsets("word")
    except (ImportError, LookupError):
        return None
    return corpus

"""The names under which columns are known, and the fields that they become."""

from __future__ import annotations

from fewtune.records import Shape

__all__ = [
    "EXTRA_FIELDS",
    "FIELDS",
    "IMAGE_SUFFIXES",
    "KNOWN_NAMES",
    "LABEL_LENGTH",
    "METADATA",
    "NAMES",
    "SHAPE_WORDS",
    "SYSTEM",
    "fold",
]

NAMES: dict[str, tuple[str, ...]] = {
    "text": tuple("text sentence question utterance input query content mr review comment".split()),
    "label": tuple(
        "label labels category intent class tag sentiment topic target label_text".split()
    ),
    "prompt": tuple("prompt question instruction mr query input source".split()),
    "completion": tuple(
        "completion answer response output ref reply reference target summary".split()
    ),
    "messages": tuple("messages conversations conversation chat turns dialogue dialog".split()),
    "image": tuple("image image_path img file_name filename path photo picture file".split()),
    "instruction": ("instruction",),
    "input": ("input", "context"),
    "output": ("output", "response", "completion", "answer"),
}
"""Names under which each field is found by itself; the first is its own and beats the others."""

SYSTEM = ("system", "system_prompt")
"""Columns in which a chat's system prompt may stand by itself."""

EXTRA_FIELDS = ("group", "time", "weight", "parent")
"""Fields that any row may have besides; taken only from columns of exactly these names."""

FIELDS = (*NAMES, *EXTRA_FIELDS)

KNOWN_NAMES = frozenset(name for names in NAMES.values() for name in names) | set(EXTRA_FIELDS)

SHAPE_WORDS: dict[Shape, str] = {
    "labelled_text": "labelled text",
    "labelled_image": "labelled images",
    "prompt": "prompts and completions",
    "chat": "chats",
    "text": "plain text",
}

IMAGE_SUFFIXES = frozenset(".jpg .jpeg .png .webp .bmp .gif .tif .tiff .ppm .pgm".split())

LABEL_LENGTH = 60
METADATA = frozenset(
    "id idx index uid uuid url link lang language split source date time timestamp created author "
    "user title version license row name".split()
)


def fold(name: str) -> str:
    """Return a column's name as it is compared: lower case, words joined by underscores."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")

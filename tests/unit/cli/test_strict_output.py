"""``--json`` of every verb: JSON that other readers than Python take too."""

from __future__ import annotations

from pathlib import Path

import fewtune.cli
from fewtune.cli.main import VERBS

FOLDER = Path(fewtune.cli.__file__).parent


def test_no_verb_writes_json_that_may_hold_nan():
    """``json.dumps`` writes NaN, which is no JSON; ``strict_json`` writes null."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    assert not [name for name, text in texts.items() if "json.dump" in text]
    printing = {name.removesuffix(".py") for name, text in texts.items() if "strict_json(" in text}
    assert {"fit", "measure", "compare", "predict"} <= printing <= set(VERBS)

r"""The record of the run, its curve, the model card and the shipped record of hashes.

    python -m pretraining.report --work .pretrain/data --run .pretrain/main \\
        --losses .pretrain/losses.json

Run it after ``export``, ``evaluate`` and ``samples``: it only gathers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Any

from pretraining.corpus import CORPORA
from pretraining.evaluate import library_scorer
from pretraining.export import fingerprints, write_json
from pretraining.train import Settings, stored_settings

HERE = Path(__file__).parent
CARD = HERE / "card.md"
# The beginning of a held-out book (E. Wharton, Summer, 1917): the package's
# test reads it too, so that a damaged or exchanged model shows.
SAMPLE = (
    "A girl came out of lawyer Royall's house, at the end of the one street of North Dormer, "
    "and stood on the doorstep.\n"
    "It was the beginning of a June afternoon. The springlike transparent sky shed a rain of "
    "silver sunshine on the roofs of the village, and on the pastures and larchwoods "
    "surrounding it. A little wind moved among the round white clouds on the shoulders of the "
    "hills, driving their shadows across the fields and down the grassy road that takes the "
    "name of street when it passes through North Dormer."
)
ROWS = {
    "builtin": "**this model**",
    "ngram": "5-gram, Kneser-Ney (tokens)",
    "stories": "stories260K",
    "untrained": "same architecture, untrained",
}


def read_curve(run: Path) -> list[dict[str, Any]]:
    """Return the updates of a run in order; of an update run twice, the later one."""
    lines = (json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines())
    return [line for _, line in sorted({line["update"]: line for line in lines}.items())]


def thin(curve: list[dict[str, Any]], every: int = 10) -> list[str]:
    """Return one JSON line for every ten updates, with their mean loss."""
    out = []
    for start in range(0, len(curve), every):
        group = curve[start : start + every]
        loss = round(fmean(line["loss"] for line in group), 4)
        out.append(json.dumps({"update": group[-1]["update"], "loss": loss}))
    return out


def tokens_of(work: Path) -> dict[str, int]:
    """Return the number of tokens of each encoded file."""
    return {
        f"{name}.{part}": (work / f"{name}.{part}.u16").stat().st_size // 2
        for name in CORPORA
        for part in ("train", "held")
    }


def data_hashes(work: Path) -> dict[str, str]:
    """Return the sha256 of each encoded training file."""
    files = sorted(work.glob("*.train.u16"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def gather(options: argparse.Namespace) -> dict[str, Any]:
    """Return the whole record."""
    settings, done = stored_settings(options.run / "checkpoint.safetensors")
    curve = read_curve(options.run)
    text = settings.text_row(done)
    per_update = settings.rows * 1024
    seconds = [line["seconds"] for line in curve]
    package = json.loads((options.model / "record.json").read_text())
    names = ("torch", "transformers", "tokenizers", "safetensors", "numpy")
    return {
        "settings": asdict(settings),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in names}},
        "parameters": package["parameters"],
        "updates": done,
        "tokens_seen": {"text": text * 1024, "chat": (done * settings.rows - text) * 1024},
        "tokens_per_second": {
            "whole_run": round(done * per_update / sum(seconds)),
            "median_update": round(per_update / median(seconds)),
        },
        "corpus": json.loads((options.work / "corpus.json").read_text()),
        "corpus_tokens": tokens_of(options.work),
        "data_sha256": data_hashes(options.work),
        "bits_per_byte": json.loads(options.losses.read_text()),
        "probes": json.loads(options.probes.read_text()),
        "held_out_overlap": json.loads(options.overlap.read_text()),
        "final_training_loss": round(fmean(line["loss"] for line in curve[-100:]), 4),
        "files": fingerprints(options.model),
        "first_losses": [line["loss"] for line in curve[:100]],
    }


def table(losses: dict[str, Any]) -> str:
    """Return the losses as a Markdown table."""
    parts = [*CORPORA, "chat"]
    lines = [
        "| bits per byte | " + " | ".join(parts) + " |",
        "|---|" + "---|" * len(parts),
    ]
    for name, title in ROWS.items():
        cells = []
        for part in parts:
            found = losses[name].get(part)
            cells.append(
                f"{found['value']:.3f} ({found['low']:.3f}-{found['high']:.3f})" if found else "-"
            )
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    counts = [losses["builtin"][part] for part in parts]
    lines.append(
        "| held-out documents / bytes | "
        + " | ".join(f"{c['documents']} / {c['bytes']:,}" for c in counts)
        + " |"
    )
    return "\n".join(lines)


def probe_table(probes: dict[str, Any]) -> str:
    """Return the probes as a Markdown table."""
    lines = ["| probe | chance | right, centred | right, plain | items |", "|---|---|---|---|---|"]
    for kind, row in probes.items():
        cells = ["{value}% ({low}-{high})".format(**row[side]) for side in ("centred", "plain")]
        lines.append(
            f"| {kind} | {row['chance']}% | {' | '.join(cells)} | {row['plain']['items']} |"
        )
    return "\n".join(lines)


def overlap_sentence(overlap: dict[str, Any]) -> str:
    """Return the overlap of every corpus in one sentence."""
    parts = [
        f"{name} {row['percent']}% ({row['documents_above_half']} of {row['documents']} documents "
        "are met for more than half)"
        for name, row in overlap.items()
    ]
    return "; ".join(parts)


def write_card(record: dict[str, Any], samples: str, to: Path) -> None:
    """Fill the card's gaps with the record's figures."""
    settings = Settings(**record["settings"])
    seen = record["tokens_seen"]["text"] + record["tokens_seen"]["chat"]
    size = record["files"]["model.safetensors"]["bytes"]
    text = CARD.read_text(encoding="utf-8")
    for name, value in {
        "parameters": f"{record['parameters'] / 1e6:.2f}",
        "layers": str(settings.depth),
        "width": str(settings.width),
        "heads": f"{settings.heads} heads, {settings.kv_heads} for keys and values",
        "inner": str(settings.inner),
        "vocab": f"{settings.vocab:,}",
        "megabytes": f"{size / 1e6:.1f}",
        "seen": f"{seen / 1e6:.1f}",
        "text": f"{record['tokens_seen']['text'] / 1e6:.1f}",
        "chat": f"{record['tokens_seen']['chat'] / 1e6:.1f}",
        "mixed": f"{settings.updates - settings.chats_from:,}",
        "ngram": f"{record['bits_per_byte']['ngram_tokens'] / 1e6:.1f}",
        "probes": probe_table(record["probes"]),
        "overlap": overlap_sentence(record["held_out_overlap"]),
        "table": table(record["bits_per_byte"]),
        "samples": samples.partition("\n## Texts")[2].strip().replace("\n## ", "\n### "),
    }.items():
        text = text.replace("{{" + name + "}}", value)
    to.write_text(text, encoding="utf-8")


def main() -> None:
    """Write ``record.json``, ``curve.jsonl``, the card and the package's record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".pretrain/data"))
    parser.add_argument("--run", type=Path, default=Path(".pretrain/main"))
    parser.add_argument("--model", type=Path, default=Path("src/fewtune/models/builtin"))
    parser.add_argument("--losses", type=Path, default=Path(".pretrain/losses.json"))
    parser.add_argument("--probes", type=Path, default=Path(".pretrain/probes.json"))
    parser.add_argument("--overlap", type=Path, default=Path(".pretrain/overlap.json"))
    options = parser.parse_args()
    record = gather(options)
    write_json(HERE / "record.json", record)
    lines = thin(read_curve(options.run))
    (HERE / "curve.jsonl").write_text("\n".join(lines) + "\n")
    samples = (HERE / "samples.md").read_text(encoding="utf-8")
    write_card(record, samples, options.model / "README.md")
    nats = library_scorer(options.model)(SAMPLE)
    package = {
        "parameters": record["parameters"],
        "tokens_seen": record["tokens_seen"],
        "files": record["files"],
        "bits_per_byte": record["bits_per_byte"]["builtin"],
        "sample": {
            "text": SAMPLE,
            "bits_per_byte": round(nats / math.log(2) / len(SAMPLE.encode()), 4),
        },
    }
    write_json(options.model / "record.json", package)
    print(table(record["bits_per_byte"]))


if __name__ == "__main__":
    main()

"""Texts and answers written by the shipped model, as Markdown.

python -m pretraining.samples --model src/fewtune/models/builtin --out pretraining/samples.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

# None of these prompts is in the training text as it stands here.
OPENINGS = [
    "It was late in the evening when the stranger knocked at the door of the inn.",
    "The history of a country is",
    '"I do not believe a word of it," said',
    "To create a new folder, run the command",
]
CHATS: list[list[str]] = [
    ["Hello!", "What can you do?", "Thank you."],
    ["What is the opposite of early?"],
    ["What is the capital of Norway?", "What comes after Thursday?"],
    ["Repeat: The green boat was lost in the storm"],
    ["Lucy has a yellow kite. The dog is in the garden. What colour is Lucy's kite?"],
    ["Name three animals.", "Is copper one of the metals?"],
    ["Hi, can I get a large latte with oat milk?", "Yes, that is right."],
    ["What is inflation?"],
    ["Why is the sky blue?"],
    ["Tell me a story."],
]


def load(folder: Path):  # type: ignore[no-untyped-def]
    """Return tokenizer and model of a folder, the weights as they are stored."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return (
        AutoTokenizer.from_pretrained(folder),
        AutoModelForCausalLM.from_pretrained(folder).eval(),
    )


def texts(folder: Path, length: int = 120) -> list[tuple[str, str]]:
    """Return openings with their continuations, drawn at temperature 0.8 from the best 95%."""
    tokenizer, model = load(folder)
    out = []
    for number, opening in enumerate(OPENINGS):
        torch.manual_seed(number)
        ids: Tensor = tokenizer(tokenizer.bos_token + opening, return_tensors="pt").input_ids
        drawn = model.generate(
            ids, max_new_tokens=length, do_sample=True, temperature=0.8, top_p=0.95
        )
        out.append((opening, tokenizer.decode(drawn[0, ids.shape[1] :], skip_special_tokens=True)))
    return out


def answers(folder: Path, length: int = 60) -> list[list[tuple[str, str, bool]]]:
    """Return chats as (said, answered greedily, whether the answer ended by itself)."""
    tokenizer, model = load(folder)
    out = []
    for asked in CHATS:
        turns: list[dict[str, str]] = []
        chat = []
        for said in asked:
            turns.append({"role": "user", "content": said})
            inputs = tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            drawn = model.generate(**inputs, max_new_tokens=length, do_sample=False)
            new = drawn[0, inputs["input_ids"].shape[1] :]
            answer = tokenizer.decode(new, skip_special_tokens=True)
            chat.append((said, answer, int(new[-1]) == tokenizer.eos_token_id))
            turns.append({"role": "assistant", "content": answer})
        out.append(chat)
    return out


def markdown(folder: Path) -> str:
    """Return all samples as a page, none of them chosen."""
    lines = [
        "# Samples of the built-in model",
        "",
        "Written by `python -m pretraining.samples`; every sample is shown, none is chosen.",
        "",
        "## Texts",
        "Temperature 0.8, best 95%, seeds 0, 1, 2, ….",
        "",
    ]
    for opening, rest in texts(folder):
        lines += [f"> **{opening}**{rest}".replace("\n", "\n>\n> "), ""]
    lines += ["## Chats", "Greedy. (…) marks an answer that was cut off at 60 tokens.", ""]
    for chat in answers(folder):
        for said, answered, ended in chat:
            lines += [f"- **{said}**", f"  - {answered}{'' if ended else ' (…)'}"]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write the page from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=Path("src/fewtune/models/builtin"))
    parser.add_argument("--out", type=Path, default=Path("pretraining/samples.md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.write_text(markdown(options.model), encoding="utf-8")


if __name__ == "__main__":
    main()

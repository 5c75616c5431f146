"""Markers of the chat templates that models are commonly trained with; no check itself."""

from __future__ import annotations

__all__ = ["TEMPLATES"]

TEMPLATES: dict[str, tuple[str, ...]] = {
    "ChatML": ("<|im_start|>", "<|im_end|>"),
    "Llama 3": ("<|start_header_id|>", "<|eot_id|>"),
    "Llama 2": ("[INST]", "[/INST]"),
    "Gemma": ("<start_of_turn>", "<end_of_turn>"),
    "Zephyr": ("<|user|>", "<|assistant|>"),
    "DeepSeek": ("<｜User｜>", "<｜Assistant｜>"),
    "Command R": ("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
    "Granite": ("<|start_of_role|>", "<|end_of_role|>"),
}
"""By template the marker that begins a turn and one that comes after it."""

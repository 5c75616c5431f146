"""The models that augmentations ask: encoders, language models, translators and endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fewtune.environment import device_name, seeded
from fewtune.errors import ModelError
from fewtune.records import Message
from fewtune.verbs.endpoint import Endpoint

__all__ = ["ENDPOINT", "ModelTools"]

ENDPOINT = "endpoint:"
"""What the name of a model begins with that is asked over the network."""

LONGEST = 256
"""Most new tokens of a local model's answer."""

ROWS_AT_ONCE = 16


class ModelTools:
    """Models by name, loaded when they are first asked and kept.

    Parameters
    ----------
    model
        The user's model: an encoder compares meanings, a language model writes, and both know
        near words. Empty for none.
    environment
        Where an endpoint's address and key are found; the process's own by default.
    """

    def __init__(self, model: str = "", environment: Mapping[str, str] | None = None) -> None:
        self.model = model
        self._environment = environment
        self._loaded: dict[tuple[str, str], Any] = {}

    def _once(self, what: str, name: str, load: Any) -> Any:
        if (what, name) not in self._loaded:
            self._loaded[what, name] = load()
        return self._loaded[what, name]

    def embed(self, texts: Sequence[str]) -> Any:
        """Return unit-length states of texts; ``None`` if the model is no encoder."""
        if not self.model or self.model.startswith(ENDPOINT):
            return None
        from fewtune.models.view import view

        view_of = self._once("view", self.model, lambda: view(self.model, "labelled_text"))
        return view_of.embed(texts)

    def nearest_words(self, word: str, count: int) -> list[tuple[str, float]] | None:
        """Return the words with the nearest input embeddings; ``None`` without a model."""
        if not self.model or self.model.startswith(ENDPOINT):
            return None
        table = self._once("words", self.model, lambda: _WordTable(self.model))
        found: list[tuple[str, float]] = table.nearest(word, count)
        return found

    def generate(
        self,
        messages: Sequence[Message],
        *,
        model: str = "",
        count: int = 1,
        temperature: float = 0.8,
        seed: int = 0,
    ) -> list[str]:
        """Return answers of a language model, a local one or an endpoint's; "" for one cut short.

        Raises
        ------
        ModelError
            If no model is given, it is no language model, or it fails.
        """
        name = model or self.model
        if not name:
            raise ModelError(
                "a language model that writes",
                "none",
                cure="Add --model FOLDER_OR_HUB_ID, or :model=endpoint:NAME to the augmentation",
            )
        if name.startswith(ENDPOINT):
            bare = name.removeprefix(ENDPOINT)
            writer = self._once("endpoint", name, lambda: Endpoint(bare, self._environment))
        else:
            writer = self._once("writer", name, lambda: _Writer(name))
        answers: list[str] = writer.generate(
            messages, count=count, temperature=temperature, seed=seed
        )
        return answers

    def translate(
        self, texts: Sequence[str], *, model: str, temperature: float = 0.0, seed: int = 0
    ) -> list[str]:
        """Return translations of texts, in their order.

        Raises
        ------
        ModelError
            If the model cannot be loaded or does not translate.
        """
        translator = self._once("translator", model, lambda: _Translator(model))
        found: list[str] = translator.translate(texts, temperature, seed)
        return found


class _WordTable:
    """A model's whole words and their input embeddings at unit length."""

    def __init__(self, name: str) -> None:
        import torch

        from fewtune.models.load import load_encoder, load_tokenizer, resolve

        source = resolve(name)
        tokenizer = load_tokenizer(source)
        weight = load_encoder(source).get_input_embeddings().weight.detach()
        self._ids: dict[str, int] = {}
        begins = _word_starts(tokenizer)
        for token, number in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]):
            word = token[len(begins) :] if token.startswith(begins) else ""
            if len(word) > 2 and word.isalpha() and word.islower() and number < len(weight):
                self._ids.setdefault(word, number)
        self._words = list(self._ids)
        self._places = {word: place for place, word in enumerate(self._words)}
        states = weight[list(self._ids.values())].float()
        # The mean is common to all words and says nothing of any.
        self._states = torch.nn.functional.normalize(states - states.mean(dim=0), dim=-1)

    def nearest(self, word: str, count: int) -> list[tuple[str, float]]:
        import torch

        if word not in self._places or len(self._words) < 2:
            return []
        cosines = self._states @ self._states[self._places[word]]
        cosines[self._places[word]] = -2
        best = torch.topk(cosines, min(count, len(self._words) - 1))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [(self._words[at], round(cosine, 6)) for at, cosine in pairs]


def _word_starts(tokenizer: Any) -> str:
    """Return the mark of tokens that begin a word: Ġ or ▁, or nothing where parts are marked."""
    tokens = list(tokenizer.get_vocab())
    for mark in ("Ġ", "▁"):
        if sum(token.startswith(mark) for token in tokens) > 0.1 * len(tokens):
            return mark
    return ""


class _Writer:
    """A causal language model on this machine."""

    def __init__(self, name: str) -> None:
        from fewtune.data.template import with_template
        from fewtune.models.load import load_causal_lm, load_tokenizer, resolve

        source = resolve(name)
        self._tokenizer = load_tokenizer(source)
        with_template(self._tokenizer, "chat")
        self._model = load_causal_lm(source)
        self._device = device_name()
        self._model.to(self._device)
        self._context = int(getattr(self._model.config, "max_position_embeddings", 0) or 2048)

    def generate(
        self, messages: Sequence[Message], *, count: int, temperature: float, seed: int
    ) -> list[str]:
        import torch

        plain = [{"role": m.role, "content": m.content} for m in messages]
        text = self._tokenizer.apply_chat_template(
            plain, tokenize=False, add_generation_prompt=True
        )
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        room = min(LONGEST, self._context // 2)
        ids = torch.tensor([ids[-(self._context - room) :]], device=self._device)
        with torch.inference_mode(), seeded(self._device, seed):
            out = self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=room,
                max_length=None,
                pad_token_id=self._tokenizer.pad_token_id,
                num_return_sequences=count if temperature > 0 else 1,
                **_drawing(temperature),
            )
        found = [self._answer(row) for row in out[:, ids.shape[1] :].tolist()]
        return found if temperature > 0 else found * count

    def _answer(self, ids: list[int]) -> str:
        """Return what was written before the end; nothing where there was no end."""
        ends = self._model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or ())
        ends.add(self._tokenizer.eos_token_id)
        ended = next((at for at, token in enumerate(ids) if token in ends), None)
        if ended is None:
            return ""
        return str(self._tokenizer.decode(ids[:ended], skip_special_tokens=True)).strip()


class _Translator:
    """A model that reads one text and writes another, such as Marian's."""

    def __init__(self, name: str) -> None:
        from fewtune.models.load import load_tokenizer, loaded, read_config, resolve

        source = resolve(name)
        from transformers import AutoModelForSeq2SeqLM

        if not getattr(read_config(source), "is_encoder_decoder", False):
            raise ModelError(
                "a translation model, such as Helsinki-NLP/opus-mt-en-de",
                "a model that does not translate",
                name,
                "Choose another model",
            )
        try:
            self._tokenizer = load_tokenizer(source)
        except ModelError as error:
            if "sentencepiece" not in str(error).lower():
                raise
            raise ModelError(
                "the package sentencepiece, which this model's tokenizer needs",
                "no such package",
                name,
                "Run: pip install sentencepiece sacremoses",
            ) from error
        self._device = device_name()
        self._model = loaded(source, AutoModelForSeq2SeqLM, "model", use_safetensors=True)
        self._model.eval().to(self._device)

    def translate(self, texts: Sequence[str], temperature: float, seed: int) -> list[str]:
        import torch

        limit = int(getattr(self._model.config, "max_position_embeddings", 0) or 512)
        # Texts of like length together waste little padding.
        order = sorted(range(len(texts)), key=lambda at: (len(texts[at]), texts[at]))
        found = [""] * len(texts)
        with torch.inference_mode(), seeded(self._device, seed):
            for start in range(0, len(order), ROWS_AT_ONCE):
                places = order[start : start + ROWS_AT_ONCE]
                batch = self._tokenizer(
                    [texts[at] for at in places],
                    return_tensors="pt",
                    padding=True,
                    truncation=True,
                    max_length=limit,
                    return_token_type_ids=False,
                ).to(self._device)
                out = self._model.generate(
                    **batch,
                    max_new_tokens=min(LONGEST, limit),
                    max_length=None,
                    **_drawing(temperature),
                )
                answers = self._tokenizer.batch_decode(out, skip_special_tokens=True)
                for at, answer in zip(places, answers, strict=True):
                    found[at] = answer.strip()
        return found


def _drawing(temperature: float) -> dict[str, Any]:
    """Return how to draw: the likeliest at temperature 0, else from the whole distribution."""
    if temperature > 0:
        return {"do_sample": True, "temperature": temperature, "top_k": 0, "num_beams": 1}
    return {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}

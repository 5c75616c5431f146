"""The real tools: an endpoint over HTTP, tiny models on disk; what comes when one is missing."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import made_data
import pytest

from fewtune.errors import ModelError
from fewtune.records import Message
from fewtune.verbs.augmentation_tools import ModelTools
from fewtune.verbs.endpoint import KEY, URL, Endpoint

ASK = [Message("user", "Rewrite: where is it")]


class Server(ThreadingHTTPServer):
    """Gives the scripted (status, body) answers in turn, the last for ever, and keeps requests."""

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.requests = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, self.headers.get("Authorization"), body))
        status, answer = self.server.answers[0]
        if len(self.server.answers) > 1:
            self.server.answers.pop(0)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    running = []

    def start(*answers):
        server = Server(*answers)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def choices(*texts, reason="stop"):
    return {"choices": [{"message": {"content": t}, "finish_reason": reason} for t in texts]}


def test_an_endpoint_is_asked_as_openai_is(serve):
    server = serve((200, choices("one", "two")))
    tools = ModelTools(environment={URL: server.url + "/", KEY: "k"})
    answers = tools.generate(ASK, model="endpoint:writer", count=2, temperature=0.5, seed=7)
    assert answers == ["one", "two"]
    ((path, key, body),) = server.requests
    assert (path, key) == ("/v1/chat/completions", "Bearer k")
    assert json.loads(body) == {
        "model": "writer",
        "messages": [{"role": "user", "content": "Rewrite: where is it"}],
        "n": 2,
        "temperature": 0.5,
        "seed": 7,
        "max_tokens": 512,
    }


def test_a_server_that_gives_one_at_a_time_is_asked_again_with_another_seed(serve):
    server = serve((200, choices("one")), (200, choices("two")))
    found = Endpoint("m", {URL: server.url}).generate(ASK, count=2, temperature=1, seed=3)
    assert found == ["one", "two"]
    assert [json.loads(body)["seed"] for _, _, body in server.requests] == [3, 4]
    assert server.requests[0][1] is None


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(serve):
    busy = serve((429, b"slow down"), (200, choices("one")))
    endpoint = Endpoint("m", {URL: busy.url}, pauses=(0.01,))
    assert endpoint.generate(ASK, count=1, temperature=1, seed=0) == ["one"]
    refusing = serve((401, b"no such key"))
    with pytest.raises(ModelError, match="status 401: no such key"):
        Endpoint("m", {URL: refusing.url}).generate(ASK, count=1, temperature=1, seed=0)
    assert len(refusing.requests) == 1


def test_an_answer_cut_short_is_empty(serve):
    server = serve((200, choices("half an ans", reason="length")))
    found = Endpoint("m", {URL: server.url}).generate(ASK, count=1, temperature=1, seed=0)
    assert found == [""]


@pytest.mark.parametrize("answer", [b"<html>", {"choices": []}, {"choices": [3]}, [], b"\xff"])
def test_an_answer_of_another_kind_is_one_sentence(serve, answer):
    server = serve((200, answer))
    with pytest.raises(ModelError, match="OpenAI-compatible servers answer"):
        Endpoint("m", {URL: server.url}).generate(ASK, count=1, temperature=1, seed=0)


def test_nobody_at_the_address_and_no_address():
    gone = Endpoint("m", {URL: "http://127.0.0.1:9/v1"}, pauses=())
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9"):
        gone.generate(ASK, count=1, temperature=1, seed=0)
    with pytest.raises(ModelError, match=URL):
        Endpoint("m", {})
    with pytest.raises(ModelError, match=URL):
        Endpoint("m", {URL: "file:///etc"})


def test_without_a_model_there_is_nothing_but_an_error_that_says_what_to_give():
    tools = ModelTools()
    assert tools.embed(["a"]) is None
    assert tools.nearest_words("bill", 3) is None
    with pytest.raises(ModelError, match="endpoint:NAME"):
        tools.generate(ASK)
    with pytest.raises(ModelError, match="does not exist"):
        tools.translate(["a"], model="./no-such-folder")


def test_a_local_language_model_writes_the_same_for_the_same_seed(causal_lm):
    tools = ModelTools(str(causal_lm))
    assert tools.embed(["a"]) is None
    drawn = tools.generate(ASK, count=3, temperature=1.0, seed=1)
    assert len(drawn) == 3
    assert drawn == tools.generate(ASK, count=3, temperature=1.0, seed=1)
    ended = tools.generate(ASK, count=40, temperature=3.0, seed=2)
    # Random weights seldom end; what has not ended counts as nothing.
    assert all(isinstance(text, str) for text in ended)
    assert any(text == "" for text in ended)
    assert tools.generate(ASK, count=2, temperature=0.0) == [""] * 2


def test_an_encoder_embeds_and_knows_near_words(encoder):
    import numpy as np
    from transformers import AutoTokenizer

    tools = ModelTools(str(encoder))
    states = tools.embed(["a card", "a garden"])
    assert np.allclose(np.linalg.norm(states, axis=1), 1, atol=1e-5)
    vocabulary = AutoTokenizer.from_pretrained(encoder).get_vocab()
    words = {t[1:] for t in vocabulary if t.startswith("Ġ") and t[1:].isalpha() and len(t) > 3}
    word = sorted(w for w in words if w.islower())[0]
    near = tools.nearest_words(word, 5)
    assert len(near) == 5
    assert {w for w, _ in near} <= words - {word}
    cosines = [cosine for _, cosine in near]
    assert cosines == sorted(cosines, reverse=True)
    assert tools.nearest_words("notinthevocabulary", 5) == []


def test_back_translation_through_two_tiny_marian_models(marian):
    from fewtune.augmentations.run import augment, build
    from fewtune.records import Example

    rows = [Example(t, "x", f"f.csv:{n}") for n, t in enumerate(["my card is late", "where"], 2)]
    parts = build([("back_translation", {"there": str(marian), "back": str(marian)})])
    tools = ModelTools()
    made = augment(rows, parts, shape="labelled_text", tools=tools, per_row=2)
    tally = made.tallies["back_translation"]
    assert tally.made == 4 == tally.kept + sum(tally.dropped.values())
    one = tools.translate(["my card is late", "where"], model=str(marian))
    # Alone or beside a longer one, a text has the same translation.
    assert tools.translate(["where"], model=str(marian)) == one[1:]
    assert len(set(one)) == 2
    drawn = tools.translate(["where"] * 3, model=str(marian), temperature=2.0, seed=4)
    assert drawn == tools.translate(["where"] * 3, model=str(marian), temperature=2.0, seed=4)
    assert len(set(drawn)) > 1


def test_a_model_that_does_not_translate_is_said(encoder):
    with pytest.raises(ModelError, match="a translation model"):
        ModelTools().translate(["a"], model=str(encoder))


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    """A Marian-shaped translation model with random weights, its tokenizer needs no package."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    from fewtune.models.tiny import word_tokenizer

    folder = tmp_path_factory.mktemp("marian")
    tokenizer = word_tokenizer(made_data.every_text(), size=300)
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=24,
        max_length=24,
        init_std=1.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        forced_eos_token_id=None,
    )
    MarianMTModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

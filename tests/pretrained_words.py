"""The words and characters of small pretrained tokenizers."""

from __future__ import annotations

WORDS = ["free", "entry", "win", "a", "prize", "now", "call", "me", "tonight", "ok", "see", "you"]
GPT_CHARACTERS = ["!", "<|endoftext|>", *"abcdefgh", "Ġ"]
GPT_VOCABULARY = {c: i for i, c in enumerate([*GPT_CHARACTERS, "ab", "Ġa", "Ġab"])}

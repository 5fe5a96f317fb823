"""Text to token ids and back, over the `tokenizers` library.

Three units: byte-level BPE (every text can be written, nothing is unknown), characters, and words.
Two ids mean the same in every vocabulary: PAD_ID fills up a batch, BOUNDARY_ID stands on both sides of a text.
No text can spell a special token. Left out: splitting raw text for the tagger (`words`).
"""

from collections.abc import Iterable, Iterator, Sequence

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers.decoders import DecodeStream

from lstmtext.config import TextSettings, Unit
from lstmtext.errors import ModelError
from lstmtext.text.pieces import LONGEST_PIECE, in_pieces
from lstmtext.text.words import WORD_PATTERN

# With spaces inside, no text can produce these names, whatever the unit.
PAD, BOUNDARY, UNKNOWN = "< pad >", "< boundary >", "< unknown >"
PAD_ID, BOUNDARY_ID = 0, 1
KNOWN_CHARACTERS = 1 << 20
"""Characters of the words whose ids are kept, so that a long stream fills no memory."""
NO_SPACE_BEFORE = frozenset(".,;:!?)]}%\n") | {"n't", "'s", "'m", "'re", "'ve", "'ll", "'d"}
NO_SPACE_AFTER = frozenset("([{$\n")


class Tokenizer:
    """A vocabulary and the rule that cuts text into its entries."""

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        backend.encode_special_tokens = True  # a text that spells a special token stays text
        self.backend = backend
        self.size = backend.get_vocab_size()
        self.unknown_id = backend.token_to_id(UNKNOWN)
        self._known: dict[str, tuple[int, ...]] = {}
        self._known_size = 0

    def __reduce__(self) -> tuple[object, tuple[str, str]]:  # the backend's own copy forgets how it encodes
        return Tokenizer.from_json, (self.to_json(), "a copy")

    @property
    def unit(self) -> Unit:
        """What a token is; each unit joins its tokens in its own way."""
        if self.backend.decoder is None:
            return "word"
        return "bpe" if self.unknown_id is None else "char"

    @classmethod
    def train(cls, texts: Iterable[str], settings: TextSettings) -> "Tokenizer":
        """Learn a vocabulary from texts; deterministic for the same texts in the same order."""
        backend, trainer = _UNITS[settings.unit](settings.vocabulary_size)
        backend.train_from_iterator(texts, trainer)
        return cls(backend)

    @classmethod
    def from_json(cls, content: str, place: object) -> "Tokenizer":
        """Rebuild from `to_json`'s text; `place` names the file in errors."""
        try:
            backend = tokenizers.Tokenizer.from_str(content)
        except Exception as error:  # the library raises bare Exception
            raise ModelError(place, f"is not a tokenizer file: {error}", hint="train the bundle again") from error
        if (backend.token_to_id(PAD), backend.token_to_id(BOUNDARY)) != (PAD_ID, BOUNDARY_ID):
            raise ModelError(place, "lacks the special tokens", expected="a tokenizer that lstmtext trained")
        return cls(backend)

    def to_json(self) -> str:
        """The whole tokenizer as JSON, in the format of the `tokenizers` library."""
        return self.backend.to_str(pretty=False)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without boundaries; empty for an empty text."""
        return [
            token for piece in in_pieces(text) for token in self.backend.encode(piece, add_special_tokens=False).ids
        ]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts; on all cores, unless TOKENIZERS_PARALLELISM is false."""
        if any(len(text) > LONGEST_PIECE for text in texts):
            return [self.encode(text) for text in texts]
        return [encoded.ids for encoded in self.backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def encode_words(self, words: Iterable[str]) -> list[tuple[int, ...]]:
        """Ids of words, at least one each, as if a space stood before; each word is read alone, so words are kept."""
        wanted = list(words)
        known = self._known  # another thread may begin a new one
        fresh = list(set(wanted).difference(known))
        if sum(map(len, fresh)) + self._known_size > KNOWN_CHARACTERS:
            fresh = list(set(wanted))
            known = self._known = {}
            self._known_size = 0
        if fresh:
            known.update(zip(fresh, map(tuple, self.encode_batch([" " + word for word in fresh])), strict=True))
            self._known_size += sum(map(len, fresh))
        return [known[word] or (BOUNDARY_ID,) for word in wanted]  # an empty or blank word still has a place

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; boundaries and padding vanish."""
        return "".join(self.decode_stream(ids))

    def decode_stream(self, ids: Iterable[int], after: Sequence[int] = ()) -> Iterator[str]:
        """Pieces of text as ids arrive, to stand after other ids; a character of several ids comes with its last."""
        printable = (token for token in ids if token not in (PAD_ID, BOUNDARY_ID))
        return self._join(printable, after) if self.unit == "word" else self._stream(printable)

    def _stream(self, ids: Iterable[int]) -> Iterator[str]:
        stream = DecodeStream(skip_special_tokens=False)
        for token in ids:
            piece = stream.step(self.backend, token)
            if piece:
                yield piece

    def _join(self, ids: Iterable[int], after: Sequence[int]) -> Iterator[str]:
        previous = (self.backend.id_to_token(after[-1]) if after else None) or "\n"
        for token in ids:
            word = self.backend.id_to_token(token) or UNKNOWN
            glued = word in NO_SPACE_BEFORE or previous in NO_SPACE_AFTER
            yield word if glued else " " + word
            previous = word


def _bpe(size: int) -> tuple[tokenizers.Tokenizer, trainers.Trainer]:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[PAD, BOUNDARY],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    return backend, trainer


def _char(size: int) -> tuple[tokenizers.Tokenizer, trainers.Trainer]:
    backend = tokenizers.Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    return backend, _word_level_trainer(size)


def _word(size: int) -> tuple[tokenizers.Tokenizer, trainers.Trainer]:
    backend = tokenizers.Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    # A line end is a word of its own, so that a language model learns where lines end.
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(rf"\n|{WORD_PATTERN}"), "removed", invert=True)
    return backend, _word_level_trainer(size)


def _word_level_trainer(size: int) -> trainers.Trainer:
    return trainers.WordLevelTrainer(
        vocab_size=size, min_frequency=1, show_progress=False, special_tokens=[PAD, BOUNDARY, UNKNOWN]
    )


_UNITS = {"bpe": _bpe, "char": _char, "word": _word}

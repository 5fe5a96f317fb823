from concurrent.futures import ThreadPoolExecutor

import pytest

from lstmtext.config import TextSettings
from lstmtext.errors import ModelError
from lstmtext.text.tokenizer import BOUNDARY, BOUNDARY_ID, PAD, PAD_ID, UNKNOWN, Tokenizer

TEXTS = ["The room was clean, and the soup (hot) wasn't bad.", "Paid 3.50 at\nthe shop!", "naïve café: où?"] * 3
SPECIAL = (PAD_ID, BOUNDARY_ID)


def trained(unit: str) -> Tokenizer:
    return Tokenizer.train(TEXTS, TextSettings(unit=unit, vocabulary_size=400))


@pytest.fixture(scope="module", params=["bpe", "char", "word"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return trained(request.param)


def test_every_unit_gives_back_the_texts_it_was_trained_on(tokenizer: Tokenizer):
    assert [tokenizer.decode(tokenizer.encode(text)) for text in TEXTS] == TEXTS


@pytest.mark.parametrize("text", ["", "  two  spaces ", "\t\n\n", "日本 🙂 \x00", "\u202eرخ", "a\r\nb", PAD + BOUNDARY])
def test_bpe_writes_any_text_and_gives_it_back(text: str):
    tokenizer = trained("bpe")
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_text_that_spells_a_special_token_stays_text(tokenizer: Tokenizer):
    for text in (PAD, BOUNDARY, f"a {PAD}{BOUNDARY} b", f"{UNKNOWN} x"):
        for ids in (tokenizer.encode(text), *tokenizer.encode_batch([text]), *tokenizer.encode_words([text])):
            assert ids
            assert not set(ids) & set(SPECIAL)
        if tokenizer.unknown_id is None:
            assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_special_token_spelled_in_text_stays_text_after_loading(tokenizer: Tokenizer):
    again = Tokenizer.from_json(tokenizer.to_json(), "tokenizer.json")
    assert not set(again.encode(f"{PAD} {BOUNDARY}")) & set(SPECIAL)


def test_a_tokenizer_survives_json(tokenizer: Tokenizer):
    again = Tokenizer.from_json(tokenizer.to_json(), "tokenizer.json")
    assert again.to_json() == tokenizer.to_json()
    assert (again.size, again.unknown_id) == (tokenizer.size, tokenizer.unknown_id)
    assert again.encode_batch([*TEXTS, "unseen Ω words"]) == tokenizer.encode_batch([*TEXTS, "unseen Ω words"])
    assert again.decode(again.encode(TEXTS[0])) == TEXTS[0]


@pytest.mark.parametrize("unit", ["bpe", "char", "word"])
def test_training_twice_gives_the_same_tokenizer(unit: str):
    assert trained(unit).to_json() == trained(unit).to_json()


def test_batches_are_encoded_like_single_texts(tokenizer: Tokenizer):
    texts = [*TEXTS, "", "unseen Ω words"]
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


def test_words_are_encoded_as_if_spaces_stood_between_them(tokenizer: Tokenizer):
    words = ["The", "room", "was", "clean"]
    groups = tokenizer.encode_words(words)
    assert [token for group in groups for token in group] == tokenizer.encode(" The room was clean")
    assert len(groups) == len(words)


def test_an_empty_or_blank_word_has_a_place(tokenizer: Tokenizer):
    groups = tokenizer.encode_words(["room", "", " ", "\u200b", "clean"])
    assert len(groups) == 5
    assert all(groups)
    assert tokenizer.encode_words([]) == []


def test_words_keep_their_ids_when_those_kept_grow_too_many(tokenizer: Tokenizer, monkeypatch):
    words = ["The", "room", "was", "clean", "The", "Ωroom"]
    usual = tokenizer.encode_words(words)
    monkeypatch.setattr("lstmtext.text.tokenizer.KNOWN_CHARACTERS", 8)
    again = Tokenizer.from_json(tokenizer.to_json(), "tokenizer.json")
    assert again.encode_words(words) == usual
    assert [again.encode_words([word])[0] for word in words] == usual
    assert len(again._known) < len(set(words))
    lists = [[f"w{n}", f"v{n % 7}", "room"] * 3 for n in range(300)]
    with ThreadPoolExecutor(4) as pool:  # one thread forgets what another has just looked up
        found = list(pool.map(again.encode_words, lists))
    monkeypatch.undo()
    assert found == [tokenizer.encode_words(own) for own in lists]


def test_decoding_leaves_out_boundaries_and_padding(tokenizer: Tokenizer):
    ids = tokenizer.encode(TEXTS[0])
    assert tokenizer.decode([BOUNDARY_ID, *ids[:4], PAD_ID, *ids[4:], BOUNDARY_ID, PAD_ID]) == TEXTS[0]


def test_words_that_follow_a_prompt_are_parted_from_it():
    tokenizer = trained("word")
    before, after = tokenizer.encode("The room"), tokenizer.encode("was clean.")
    text = tokenizer.decode([*before, *after])
    assert tokenizer.decode(before) + "".join(tokenizer.decode_stream(after, before)) == text
    assert "".join(tokenizer.decode_stream(after)) == tokenizer.decode(after)


def test_a_character_of_several_ids_comes_whole_with_its_last_one():
    tokenizer = trained("bpe")
    ids = tokenizer.encode("🙂é")
    assert len(ids) > 2
    pieces = list(tokenizer.decode_stream(ids))
    assert "".join(pieces) == "🙂é"
    assert "\ufffd" not in "".join(pieces)


def test_unknown_words_and_characters_have_their_own_id():
    for unit in ("char", "word"):
        tokenizer = trained(unit)
        assert tokenizer.encode("Ω") == [tokenizer.unknown_id]
    assert trained("bpe").unknown_id is None


def test_the_vocabulary_keeps_to_its_size():
    texts = [" ".join(f"word{number}" for number in range(2000))] * 2
    for unit in ("bpe", "word"):
        assert Tokenizer.train(texts, TextSettings(unit=unit, vocabulary_size=350)).size == 350


@pytest.mark.parametrize("content", ["", "{}", "not json"])
def test_a_broken_tokenizer_file_is_a_model_error_with_its_name(content: str):
    with pytest.raises(ModelError, match=r"^some/tokenizer\.json: is not a tokenizer file"):
        Tokenizer.from_json(content, "some/tokenizer.json")


def test_a_tokenizer_of_someone_else_is_refused():
    import tokenizers

    foreign = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")).to_str()
    with pytest.raises(ModelError, match="lacks the special tokens"):
        Tokenizer.from_json(foreign, "x")

"""The recipe of the shipped bundle: the two ways of writing that it makes of its texts, and how it keeps the card."""

import importlib.util
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "checkpoints" / "en.py"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("recipe", SOURCE)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("It's good, and I can't say why.", "it 's good , and i ca n't say why ."),
        ("They've said \"fine\" (isn't it?)", "they 've said \" fine \" ( is n't it ? )"),
        ("He said 'hello'. The dogs' 90's...", "he said ' hello ' . the dogs ' 90 's ..."),
        ("3.5/10. The U.S. film, for $5", "3.5/10 . the u.s . film , for $ 5"),
    ],
)
def test_plain_form_parts_words_clitics_and_marks(recipe, written, plain):
    assert recipe.plain(written) == plain


@pytest.mark.parametrize(
    ("written", "natural"),
    [
        ("it 's good , and i ca n't say why .", "It's good, and I can't say why."),
        ("the best little `` horror '' movie i 've seen .", 'The best little "horror" movie I\'ve seen.'),
        ("the irwins ' scenes -lrb- and more -rrb- are ` tap ' fun !", "The irwins' scenes (and more) are 'tap' fun!"),
        ("bÃ©art in a comedy\\/drama", "Béart in a comedy/drama"),
    ],
)
def test_natural_form_joins_them(recipe, written, natural):
    assert recipe.natural(written) == natural


def test_long_documents_come_in_pieces_of_whole_lines(recipe):
    text = "\n".join(f"line {number} " + "x" * (number % 300) for number in range(500))
    made = list(recipe.pieces(text))
    assert "\n".join(made) == text
    assert all(recipe.PIECE < len(piece) <= recipe.PIECE + 400 for piece in made[:-1])
    assert list(recipe.pieces("short")) == ["short"]


def test_the_card_keeps_what_people_wrote_and_has_the_scores_of_the_bundle(recipe, tmp_path):
    card = tmp_path / "en" / "README.md"
    card.parent.mkdir()
    card.write_text("# en\n\nSomething.\n\n## Head `new`: tag\n\nFacts.\n", encoding="utf-8")
    recipe.write_card(tmp_path, {"SST-2 test": {"accuracy": 0.5, "macro_f1": 0.4}, "BTC": {"span_f1": 0.25}})
    kept = (SOURCE.parent / "en" / "README.md").read_text(encoding="utf-8")
    made = card.read_text(encoding="utf-8")
    assert made.startswith(kept[: kept.index(recipe.TABLE)] + recipe.TABLE)
    assert "|---|---|---|\n| SST-2 test | accuracy | 50.00 |\n| BTC | span_f1 | 25.00 |\n\nThe epoch" in made
    assert made.endswith("\n\n## Head `new`: tag\n\nFacts.\n")
    assert made.count("## Head") == 1


def test_a_step_is_done_again_only_where_it_was_cut_short(recipe, tmp_path):
    done = []
    recipe.make(tmp_path / "lm", lambda: done.append("new"))
    (tmp_path / "lm").mkdir()
    recipe.make(tmp_path / "lm", lambda: done.append("again"))
    (tmp_path / ".runs" / "lm").mkdir(parents=True)
    recipe.make(tmp_path / "lm", lambda: done.append("cut short"))
    assert done == ["new", "cut short"]

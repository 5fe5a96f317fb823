"""Several heads of one bundle: which a command takes, and how `tag` writes what several say."""

import json
import shutil

import numpy as np
import pytest

from lstmtext.bundle import load_bundle
from lstmtext.runtime.engine import Engine
from tests.conftest import TINY
from tests.train.test_add_to import classes_conll

TEXT = b"Anna Berg lives in Oslo.\n\nDag Berg lives in Paris .\n"
QUICK = [*TINY[:2], "--epochs", "15", "--set", "train.learning_rate=0.02", "-q"]


@pytest.fixture(scope="module")
def wide(run_here, classify_bundle, data, tmp_path_factory):
    """A bundle of a classifier and two taggers, with tables of different sizes."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "classes.conll").write_text(classes_conll(), encoding="utf-8")
    words = ["train", folder / "classes.conll", "--add-to", classify_bundle, "-o", folder / "one", "--head", "upos"]
    done = run_here(*words, *QUICK, "--set", "tag.bypass_rows=512")
    assert done.code == 0, done.err
    words = ["train", data / "entities.conll", "--add-to", folder / "one", "-o", folder / "two", "--head", "ner"]
    done = run_here(*words, *QUICK)
    assert done.code == 0, done.err
    return folder / "two"


@pytest.fixture
def said(run_process, wide):
    """What `tag` prints with some heads in a format."""

    def tag(heads: str, format_name: str = "conll", given: bytes = TEXT) -> str:
        words = [word for head in heads.split() for word in ("--head", head)]
        done = run_process("tag", "-m", wide, *words, "--format", format_name, given=given)
        assert (done.code, done.err) == (0, "")
        return done.out.decode()

    return tag


def test_conll_has_a_column_for_each_head_in_the_order_of_the_flags(said):
    alone = {head: said(head).split("\n") for head in ("upos", "ner")}
    assert said("upos ner").startswith("Anna\tNAME\tB-PER\nBerg\tNAME\tI-PER\nlives\tVERB\tO\n")
    for order in ("upos ner", "ner upos"):
        rows = said(order).split("\n")
        assert len(rows) == len(alone["upos"])
        for place, row in enumerate(rows):
            columns = [alone[head][place].split("\t") for head in order.split()]
            assert row.split("\t") == [*columns[0][:1], *(own[1] for own in columns if len(own) > 1)]


@pytest.mark.parametrize("order", ["upos ner", "ner upos"])
def test_conllu_has_word_classes_in_upos_and_entities_under_their_name(said, order):
    rows = [row.split("\t") for row in said(order, "conllu").splitlines() if row and row[0] != "#"]
    assert rows[0] == ["1", "Anna", "_", "NAME", "_", "_", "_", "_", "_", "ner=B-PER|TokenRange=0:4"]
    assert {row[9].partition("|")[0] for row in rows} == {"ner=B-PER", "ner=I-PER", "ner=O", "ner=B-LOC"}


def test_conllu_of_one_head_is_what_it_was(said):
    assert "1\tAnna\t_\t_\t_\t_\t_\t_\t_\tEntity=B-PER|TokenRange=0:4\n" in said("ner", "conllu")
    assert "1\tAnna\t_\tNAME\t_\t_\t_\t_\t_\tTokenRange=0:4\n" in said("upos", "conllu")


def test_jsonl_has_the_tags_and_spans_of_each_head_in_one_object(said):
    first, empty, _ = map(json.loads, said("ner upos", "jsonl").splitlines())
    alone = {head: json.loads(said(head, "jsonl").splitlines()[0]) for head in ("upos", "ner")}
    assert list(first) == ["text", "words", "tags_ner", "tags_upos", "offsets", "spans_ner"]
    assert (first["tags_ner"], first["spans_ner"]) == (alone["ner"]["tags"], alone["ner"]["spans"])
    assert first["tags_upos"] == alone["upos"]["tags"]
    assert first["offsets"] == alone["upos"]["offsets"]
    assert (empty["words"], empty["tags_ner"], empty["spans_ner"]) == ([], [], [])
    given = b'{"text": "Anna", "tags_ner": ["X"], "offsets": 1}\n'
    kept = json.loads(said("ner upos", "jsonl", given))
    assert (kept["gold_tags_ner"], kept["gold_offsets"], kept["tags_ner"]) == (["X"], 1, ["B-PER"])


@pytest.mark.parametrize("head", ["ner", "upos"])
@pytest.mark.parametrize(("format_name", "column"), [("conll", "{place}"), ("jsonl", "tags_{head}")])
def test_what_several_heads_say_is_read_again(said, run_process, wide, head, format_name, column):
    written = said("upos ner", format_name, TEXT.replace(b"\n\n", b"\n")).encode()
    place = {"upos": 2, "ner": 3}[head]
    words = ["--format", format_name, "--tag-column", column.format(place=place, head=head), "--head", head, "--json"]
    done = run_process("evaluate", "-", "-m", wide, *words, given=written)
    assert done.code == 0, done.err
    assert json.loads(done.out)["scores"]["accuracy"] == 1.0


def test_the_encoder_runs_once_for_all_heads(run_here, wide, tmp_path, monkeypatch):
    runs = []
    values = Engine.values
    monkeypatch.setattr(Engine, "values", lambda *given: runs.append(1) or values(*given))
    (tmp_path / "a.txt").write_bytes(TEXT)
    for heads in (["ner"], ["ner", "upos"]):
        runs.clear()
        words = [word for head in heads for word in ("--head", head)]
        assert run_here("tag", tmp_path / "a.txt", "-m", wide, *words, "--threads", 1).code == 0
        assert len(runs) == 1


def test_a_head_that_alone_fits_needs_no_name(run_process, wide):
    for words in ([], ["--head", "labels"]):
        assert run_process("classify", "-m", wide, *words, given=TEXT).code == 0
    done = run_process("tag", "-m", wide, given=TEXT)
    assert done.code == 4
    assert "more than one head fits; it has 'upos' (tag), 'ner' (tag); name one with --head" in done.err


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (
            ["tag", "--head", "ner", "--head", "upos", "--format", "inline"],
            2,
            "--format inline: found 2 heads; expected one",
        ),
        (["tag", "--head", "ner", "--head", "ner"], 2, "--head: found ner, ner; expected each head once"),
        (["tag", "--head", "ner", "--head", "labels"], 4, "head 'labels' is for classify, not tag; it has 'labels'"),
        (["tag", "--head", "absent"], 4, "no head 'absent'; it has 'labels'"),
        (["classify", "--head", "labels", "--head", "ner"], 2, "--head: found labels, ner; expected one; lstmtext tag"),
        (["generate", "--head", "a", "--head", "b"], 2, "--head: found a, b; expected one"),
    ],
)
def test_heads_that_do_not_fit_are_named(run_process, wide, words, code, found):
    done = run_process(*words, "-m", wide, given=TEXT)
    assert (done.code, done.out) == (code, b"")
    assert found in done.err


def test_info_and_card_have_all_heads(run_here, wide):
    told = " ".join(run_here("info", "-m", wide).out.decode().split())
    for name in ("labels", "upos", "ner"):
        assert f"head '{name}'" in told
        assert f"settings of head '{name}'" in told
        assert f"## Head `{name}`" in (wide / "README.md").read_text()
    assert "runtime of the encoder" in told
    own = load_bundle(wide).info.heads["upos"]
    assert f"parameters of its own │ {own.parameters:,}" in told
    assert f"tokens │ {own.training['tokens']:,}" in told


def test_export_keeps_some_rows_of_the_heads_that_are_named(run_here, wide, tmp_path):
    copy = shutil.copytree(wide, tmp_path / "copy")
    words = ["export", "-m", copy, "--precision", "int8", "-q"]

    def rows(name):
        return np.count_nonzero(load_bundle(copy).head_arrays(name)["bypass.table_NK"].any(1))

    assert run_here(*words).code == 0  # graphs that differ by the rows alone
    before = {name: load_bundle(copy).part(name) for name in ("ner", "upos")}
    assert min(rows("upos"), rows("ner")) > 9
    assert run_here(*words, "--rows", 9, "--head", "upos").code == 0
    assert rows("upos") == 9
    assert len(load_bundle(copy).part("upos").graph) < len(before["upos"].graph)
    assert load_bundle(copy).part("ner") == before["ner"]
    assert run_here(*words, "--rows", 9).code == 0
    assert rows("ner") == rows("labels") == 9
    assert len(load_bundle(copy).part("labels").weights) < len(load_bundle(wide).part("labels").weights)


def test_n_grams_that_are_left_out_are_as_if_never_learned_and_the_rest_goes_on(run_here, wide, data, tmp_path):
    copy = shutil.copytree(wide, tmp_path / "copy")
    before = load_bundle(copy).part("labels")
    assert run_here("export", "-m", copy, "--precision", "int8", "--rows", 100, "--head", "labels", "-q").code == 0
    bundle = load_bundle(copy)
    assert {len(own) for name, own in bundle.head_arrays("labels").items() if name.startswith("bypass.")} == {2, 101}
    assert bundle.info.heads["labels"].settings.classify.bypass_rows == 101
    assert len(bundle.part("labels").weights) < len(before.weights) / 2
    scores = json.loads(run_here("evaluate", data / "reviews.csv", "-m", copy, "--json").out)["scores"]
    assert scores["accuracy"] >= 0.9
    words = ["train", data / "reviews.csv", "--encoder", copy, "-o", tmp_path / "on", *QUICK]
    done = run_here(*words)
    assert done.code == 0, done.err
    assert len(load_bundle(tmp_path / "on").head_arrays("labels")["bypass.keys_N"]) > 101


@pytest.mark.parametrize("rows", [500, 1023])
def test_more_rows_than_are_filled_change_nothing(run_here, wide, tmp_path, rows):
    copy = shutil.copytree(wide, tmp_path / "copy")
    words = ["export", "-m", copy, "--precision", "int8", "--head", "labels", "-q", "--rows"]
    assert run_here(*words, 400).code == 0
    table = load_bundle(copy).head_arrays("labels")["bypass.table_NK"]
    before = load_bundle(copy).part("labels")
    assert run_here(*words, rows).code == 0
    assert load_bundle(copy).part("labels") == before, table.shape


def test_what_was_measured_with_all_rows_says_so(run_here, wide, tmp_path):
    copy = shutil.copytree(wide, tmp_path / "copy")
    before = load_bundle(copy)
    table = before.head_arrays("upos")["bypass.table_NK"]
    filled = np.count_nonzero(table.any(1))
    done = run_here("export", "-m", copy, "--precision", "int8", "--rows", 9, "--head", "upos")
    assert done.err.startswith(f"lstmtext: 9 of {filled:,} rows of upos kept\n")
    after = load_bundle(copy).info.heads["upos"]
    assert after.changes == [f"9 of {filled:,} rows of its table kept after training; the scores are those of all"]
    assert after.runtime == before.info.heads["upos"].runtime | {"precision": "int8"}
    assert before.info.heads["upos"].parameters - after.parameters == (filled - 9) * table.shape[1]
    done = run_here("export", "-m", copy, "--precision", "int8", "--rows", 9, "--head", "upos")
    assert done.err.startswith("lstmtext: 9 of 9 rows of upos kept\n")
    assert load_bundle(copy).info.heads["upos"] == after


def test_what_people_wrote_into_the_card_stays(run_here, wide, data, tmp_path):
    copy = shutil.copytree(wide, tmp_path / "copy")
    card = copy / "README.md"
    written, mark, rest = card.read_text(encoding="utf-8").partition("\n## Head `")
    card.write_text(f"{written}\nOf my own mail. ©\n{mark}{rest}", encoding="utf-8")
    assert run_here("export", "-m", copy, "--precision", "int8", "--drop", "ner", "-q").code == 0
    words = ["train", data / "entities.conll", "--add-to", copy, "--head", "names", *QUICK]
    assert run_here(*words).code == 0
    said = card.read_text(encoding="utf-8")
    assert said.startswith(f"{written}\nOf my own mail. ©\n{mark}")
    assert [name in said for name in ("## Head `ner`", "## Head `names`")] == [False, True]
    assert run_here(*words[:3], copy, "-o", tmp_path / "other", "--head", "more", *QUICK).code == 0
    assert (tmp_path / "other" / "README.md").read_text(encoding="utf-8").startswith("# other\n")


def test_export_drops_heads_for_good_and_keeps_the_others_as_they_are(run_here, wide, tmp_path):
    copy = shutil.copytree(wide, tmp_path / "copy")
    words = ["export", "-m", copy, "--precision", "int8", "-q"]
    assert run_here(*words).code == 0
    before = {name: load_bundle(copy).part(name) for name in (None, "ner")}
    assert run_here(*words, "--drop", "upos", "--drop", "labels").code == 0
    bundle = load_bundle(copy)
    assert list(bundle.info.heads) == ["ner"]
    assert {name: bundle.part(name) for name in (None, "ner")} == before
    assert not [path for path in copy.iterdir() if "upos" in path.name or "labels" in path.name]
    assert "## Head `upos`" not in (copy / "README.md").read_text()


def test_without_a_precision_heads_are_dropped_and_rows_left_out_in_that_which_was(run_here, wide, tmp_path):
    copy = shutil.copytree(wide, tmp_path / "copy")
    report = tmp_path / "copy.upos.report.html"
    report.write_text("quoted")
    for precision in ("float32", "int8"):
        assert run_here("export", "-m", copy, "--precision", precision, "-q").code == 0
        before = load_bundle(copy).part("ner")
        assert run_here("export", "-m", copy, "--rows", 9, "--head", "labels", "-q").code == 0
        assert load_bundle(copy).part("ner") == before
        assert load_bundle(copy).info.runtime["precision"] == precision
    done = run_here("export", "-m", copy, "--drop", "upos")
    assert done.err == f"lstmtext: {report} is still there, and quotes the data\nlstmtext: saved {copy}\n"
    assert load_bundle(copy).part("ner") == before


def test_a_bundle_that_cannot_be_written_stays_as_it_is(run_here, wide, tmp_path, monkeypatch):
    copy = shutil.copytree(wide, tmp_path / "copy")

    def refused(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("lstmtext.runtime.export.save_bundle", refused)
    done = run_here("export", "-m", copy, "--drop", "upos")
    said = f"lstmtext: {copy}: cannot be written: Operation not permitted; make room, or write where you may; "
    assert (done.code, done.err) == (2, said + "it is as it was\n")
    assert set(load_bundle(copy).info.heads) == {"labels", "upos", "ner"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--drop", "none"], 4, "--drop: no head 'none' in {wide}; expected one of labels, upos, ner"),
        (["--drop", "labels", "--drop", "upos", "--drop", "ner"], 2, "names all heads of"),
        (["--drop", "upos", "--head", "upos", "--rows", 5], 2, "--head upos: is dropped; leave one of the two out"),
        (["--head", "upos"], 2, "--head: is for --rows; say how many rows to keep"),
        (["--head", "none", "--rows", 5], 4, "no head 'none'; it has "),
        (["--rows", 0], 2, "--rows"),
        ([], 2, "--precision: is not given; expected one of float32, int8"),
    ],
)
def test_what_cannot_be_exported_is_told(run_here, wide, words, code, said):
    before = {path.name: path.read_bytes() for path in wide.iterdir()}
    done = run_here("export", "-m", wide, *words)
    assert (done.code, said.format(wide=wide) in done.err, done.err.count("\n")) == (code, True, 1), done.err
    assert {path.name: path.read_bytes() for path in wide.iterdir()} == before


def test_rows_of_heads_that_have_none_are_not_kept(run_here, generate_bundle, tmp_path):
    copy = shutil.copytree(generate_bundle, tmp_path / "copy")
    words = ["export", "-m", copy, "--precision", "int8", "--rows", 5]
    done = run_here(*words)
    assert (done.code, done.err) == (
        2,
        f"lstmtext: --rows: no head of {copy} has n-grams or features; leave --rows out\n",
    )
    assert (run_here(*words, "--head", "lm").code, list(tmp_path.iterdir())) == (2, [copy])


def test_a_head_that_has_no_rows_is_named_beside_those_that_have(run_here, wide, data, tmp_path):
    copy = shutil.copytree(wide, tmp_path / "copy")
    words = ["train", data / "entities.conll", "--add-to", copy, "--head", "plain", "--set", "tag.bypass=false"]
    assert run_here(*words, *QUICK).code == 0
    done = run_here("export", "-m", copy, "--rows", 5, "--head", "plain")
    said = "lstmtext: --head plain: has no rows of n-grams or features; expected one of labels, upos, ner\n"
    assert (done.code, done.err) == (2, said)


def test_export_makes_all_graphs_anew(run_here, run_process, wide, tmp_path):
    copy = shutil.copytree(wide, tmp_path / "copy")
    graphs = []
    for precision in ("float32", "int8"):
        assert run_here("export", "-m", copy, "--precision", precision, "-q").code == 0
        bundle = load_bundle(copy)
        graphs.append([bundle.part(name).graph for name in (None, *bundle.info.heads)])
        runtimes = [bundle.info.runtime, *(head.runtime for head in bundle.info.heads.values())]
        assert [own["precision"] for own in runtimes] == [precision] * 4
        done = run_process("tag", "-m", copy, "--head", "ner", "--head", "upos", given=TEXT)
        assert done.out.startswith(b"Anna\tB-PER\tNAME\n")
    assert all(old != new for old, new in zip(*graphs, strict=True))
    for name in (None, "labels", "upos", "ner"):
        assert load_bundle(wide).part(name).weights == bundle.part(name).weights


@pytest.mark.parametrize("name", ["ner", "upos", None])
def test_of_several_heads_the_named_one_goes_on(run_here, wide, data, tmp_path, name):
    words = ["train", data / "entities.conll", "--encoder", wide, "-o", tmp_path / "out", "--epochs", 1, *TINY[:2]]
    done = run_here(*words, *(["--head", name] if name else []))
    assert done.code == 0, done.err
    said = {
        "ner": f"the whole of {wide} goes on, head 'ner' too",
        "upos": f"the encoder of {wide} goes on; its labels (ADP, NAME, PUNCT, VERB) are not in the data",
        None: f"the encoder of {wide} goes on; it has several heads for tag; --head names the one that goes on",
    }
    assert said[name] in done.err
    assert list(load_bundle(tmp_path / "out").info.heads) == [name or "tags"]


def test_evaluate_takes_the_head_that_the_data_are_for(run_here, wide, data):
    done = run_here("evaluate", data / "reviews.csv", "-m", wide, "--json")
    assert (done.code, json.loads(done.out)["head"]) == (0, "labels")
    done = run_here("evaluate", data / "entities.conll", "-m", wide)
    assert (done.code, "more than one head fits" in done.err) == (4, True)
    done = run_here("evaluate", data / "entities.conll", "-m", wide, "--head", "ner", "--json")
    assert json.loads(done.out)["head"] == "ner"
    done = run_here("evaluate", data / "prose.txt", "-m", wide)
    assert (done.code, "no head for generate; it has" in done.err) == (4, True)

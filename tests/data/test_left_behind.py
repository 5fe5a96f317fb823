import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
import datasets
from lstmtext.resolve import resolve_settings
from lstmtext.data.plan import DataRequest
from lstmtext.data.preprocess import preprocess

folder = Path(sys.argv[1])
rows = {"text": ["a good one", "a bad one"] * 10, "label": ["good", "bad"] * 10}
table = datasets.Dataset.from_dict(rows)
table.save_to_disk(folder / "in" / "saved")
(folder / "in" / "hub").mkdir()
table.to_parquet(folder / "in" / "hub" / "train.parquet")
table.to_csv(folder / "in" / "rows.csv")
(folder / "in" / "rows.conll").write_text("Anna B-PER\\nsings O\\n\\n" * 6)
for name in ("saved", "hub", "hub/train.parquet", "rows.csv", "rows.conll"):
    preprocess(
        DataRequest([str(folder / "in" / name)]),
        folder / "out" / name.replace("/", "-"),
        choose=lambda task: resolve_settings(task, assignments=["text.vocabulary_size=300"]),
        tokenizer=None,
        remark=lambda text: None,
    )
"""


def test_no_file_is_left_outside_the_given_folders(tmp_path: Path):
    private = {name: tmp_path / name.lower() for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME", "TMPDIR")}
    for folder in (*private.values(), tmp_path / "in", tmp_path / "cwd"):
        folder.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG_", "TMP", "TEMP"))}
    environment = {**kept, **{name: str(path) for name, path in private.items()}, "HF_HUB_OFFLINE": "1"}
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n{PROGRAM}"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment, cwd=tmp_path / "cwd")
    for folder in (*private.values(), tmp_path / "cwd"):
        assert [str(path) for path in folder.rglob("*") if path.is_file()] == []
    out = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert out == ["hub", "hub-train.parquet", "rows.conll", "rows.csv", "saved"]

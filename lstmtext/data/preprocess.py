"""What `lstmtext preprocess` does: plan, prepare, save, report."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lstmtext.config import Settings, TaskName
from lstmtext.data.encoded import holds_only_encoded, save_encoded
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.data.report import Report, make_report
from lstmtext.folders import check_output, work_folder
from lstmtext.text.tokenizer import Tokenizer


def preprocess(
    request: DataRequest,
    output: Path,
    *,
    choose: Callable[[TaskName], Settings],
    tokenizer: Tokenizer | None,
    remark: Callable[[str], None],
) -> Report:
    """Encode data into a folder that training takes, and count what is in it."""
    check_output(output, holds_only_encoded)
    plan, remarks = make_plan(request)
    for text in remarks:
        remark(text)
    work = work_folder(output)
    try:
        data = prepare(replace(plan, tokenizer=tokenizer), choose(plan.task), work)
        save_encoded(data, output)
        return make_report(data)
    finally:
        shutil.rmtree(work, ignore_errors=True)

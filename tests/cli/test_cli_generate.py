"""`generate`: prompts in, text out, the same for the same seed."""

import json
import subprocess

from tests.conftest import COMMAND, ENVIRONMENT


def test_the_same_seed_writes_the_same_text(run_here, generate_bundle):
    words = ["generate", "-m", generate_bundle, "--prompt", "Anna", "--max-tokens", 30]
    first = run_here(*words, "--seed", 7)
    assert first.code == 0
    assert first.out.startswith(b"Anna")
    assert first.out.endswith(b"\n")
    assert run_here(*words, "--seed", 7).out == first.out
    assert run_here(*words, "--seed", 8).out != first.out


def test_temperature_0_does_not_depend_on_the_seed(run_here, generate_bundle):
    words = ["generate", "-m", generate_bundle, "--prompt", "Anna", "--max-tokens", 20, "--temperature", 0]
    assert run_here(*words, "--seed", 1).out == run_here(*words, "--seed", 2).out


def test_max_tokens_bounds_a_sample(run_here, generate_bundle):
    from lstmtext.bundle import load_bundle

    words = ["generate", "-m", generate_bundle, "--prompt", "Anna", "--temperature", 0]
    assert run_here(*words, "--max-tokens", 0).out == b"Anna\n"
    five, ten = (run_here(*words, "--max-tokens", count).out[:-1] for count in (5, 10))
    assert ten.startswith(five)
    assert len(load_bundle(generate_bundle).tokenizer.encode(five.removeprefix(b"Anna").decode())) <= 5


def test_a_sample_ends_before_a_stop_text(run_here, generate_bundle):
    words = ["generate", "-m", generate_bundle, "--prompt", "Anna", "--max-tokens", 60, "--seed", 3]
    whole = run_here(*words).out.decode().removeprefix("Anna").removesuffix("\n")
    stop = whole[len(whole) // 2 :][:2]
    assert run_here(*words, "--stop", stop).out.decode() == "Anna" + whole[: whole.index(stop)] + "\n"


def test_an_empty_stop_text_is_an_error(run_here, generate_bundle):
    done = run_here("generate", "-m", generate_bundle, "--prompt", "Anna", "--stop", "")
    assert (done.code, done.err) == (2, "lstmtext: --stop: found ''; expected a text that is not empty\n")


def test_samples_are_divided_by_an_empty_line(run_here, generate_bundle):
    done = run_here("generate", "-m", generate_bundle, "--prompt", "Anna", "--samples", 3, "--max-tokens", 0)
    assert done.out == b"Anna\n\nAnna\n\nAnna\n"


def test_prompts_come_from_standard_input(run_process, generate_bundle):
    done = run_process("generate", "-m", generate_bundle, "--max-tokens", 0, given=b"Anna\n\nD\xffg\r\nlast")
    assert done[:2] == (0, "Anna\n\n\n\nD\ufffdg\n\nlast\n".encode())
    assert done.err == "lstmtext: prompts with bytes that are not UTF-8, now U+FFFD: 1; iconv converts files\n"


def test_the_text_after_a_prompt_does_not_depend_on_the_prompts_before(run_process, generate_bundle):
    words = ["generate", "-m", generate_bundle, "--max-tokens", "12", "--temperature", "2"]
    alone = run_process(*words, given=b"Anna\n").out
    after = run_process(*words, given=b"Clara went\nAnna\n").out
    assert after.endswith(b"\n\n" + alone)
    assert run_process(*words, "--prompt", "Anna").out == alone


def test_a_prompt_that_is_no_utf8_is_read_with_marks(generate_bundle):
    words = [COMMAND, "generate", "-m", str(generate_bundle), "--max-tokens", "1", "--prompt", b"caf\xe9"]
    done = subprocess.run(words, capture_output=True, check=True, env=ENVIRONMENT)
    assert done.stdout.startswith("caf\ufffd".encode())


def test_no_prompts_write_nothing_and_say_so(run_process, generate_bundle):
    done = run_process("generate", "-m", generate_bundle)
    assert (done.code, done.out) == (0, b"")
    assert "--prompt" in done.err


def test_samples_as_json_lines_are_those_of_plain_text(run_process, generate_bundle):
    words = ["generate", "-m", generate_bundle, "--samples", "2", "--max-tokens", "30"]
    lines = run_process(*words, "--format", "jsonl", given=b"The ferry\nAnna\n").out.decode().splitlines()
    records = [json.loads(line) for line in lines]
    plain = run_process(*words, given=b"The ferry\nAnna\n").out.decode()
    assert [record["prompt"] for record in records] == ["The ferry"] * 2 + ["Anna"] * 2
    assert plain == "\n".join(record["prompt"] + record["text"] + "\n" for record in records)

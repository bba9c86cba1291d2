"""Study and configuration files, and --config: numbers that are what they look like, names that stay text."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import assert_fails_with, snakemake
from snakemake.cli import parse_config
from whole_workflow import ROOT, copy_project

from lib.errors import SeglossError
from lib.strict_yaml import check_configuration, read_yaml, typed


def value_of(text: str, folder: Path) -> object:
    (folder / "file.yaml").write_text(f"# a comment\nkey: {text}\n")
    return read_yaml(folder / "file.yaml", "file.yaml")["key"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("1e-5", 1e-5), ("1E5", 1e5), ("-1e-5", -1e-5), (".5e3", 500.0), ("1e+5", 1e5), ("2.e-3", 2e-3)),
        *(("1.5e5", 1.5e5), ("-.5", -0.5), ("0.5", 0.5), ("-3", -3), ("0", 0), ("0x10", 16)),
    ],
)
def test_numbers_are_numbers(tmp_path: Path, text: str, number: float) -> None:
    value = value_of(text, tmp_path)
    assert (value, type(value)) == (number, type(number))
    assert value_of(f"{{a: [{text}]}}", tmp_path) == {"a": [number]}


@pytest.mark.parametrize("text", ["1e", "e5", "1e5x", "phantom_1", "2024_1_b", "1_e5", "1.2.3", "/data/1_2"])
def test_text_stays_text(tmp_path: Path, text: str) -> None:
    assert value_of(text, tmp_path) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1_000", 1000),
        ("0_1", 1),
        ("1_0.5", 10.5),
        ("1_0e5", 1e6),
        ("010", 8),
        ("1:30", 90),
        ("1:30.5", 90.5),
    ],
)
def test_numbers_that_yaml_reads_in_its_own_way_are_refused(tmp_path: Path, text: str, number: float) -> None:
    assert value_of(f'"{text}"', tmp_path) == text
    for written in (text, f"[0, {text}]", f"{{{text}: a}}"):
        with pytest.raises(SeglossError) as error:
            value_of(written, tmp_path)
        assert str(error.value) == (
            f"file.yaml: line 2: {text} would be read as the number {number}; write the number that you mean in"
            f' plain digits, or, if it is text, "{text}" in quotes'
        )


@pytest.mark.parametrize("text", ["2024-01-01", "2024-13-01", "2024-01-01 10:00:00"])
def test_dates_are_text(tmp_path: Path, text: str) -> None:
    assert value_of(text, tmp_path) == text


@pytest.mark.parametrize("tag", ["!!timestamp", "!!binary", "!!set", "!!python/name:os.system", "!mine"])
def test_other_tags_are_refused(tmp_path: Path, tag: str) -> None:
    with pytest.raises(SeglossError, match=f"^file.yaml: line 2: {tag} is not supported"):
        value_of(f"{tag} 2024-01-01", tmp_path)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def bomb(end: str = "") -> str:
    """Nine to the power of nine values, by aliases."""
    lines = [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]" for number in range(1, 10)]
    return "\n".join(["a0: &a0 x", *lines, end])


TOO_LARGE = {
    "deep": f"key: {nested(51)}",
    "very deep": f"key: {nested(1000)}",
    "aliases": bomb(),
    "merged": bomb().replace("a0: &a0 x", "a0: &a0 {x: 1}").replace(" [", " {<<: [").replace("]", "]}"),
    "within itself": "key: &a {sum: [*a]}",
    "the whole": "&a\nkey: *a",
}


@pytest.mark.parametrize("text", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_would_take_much_memory_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(SeglossError, match=r"^file\.yaml: (line \d+: )?more than 50 levels inside each other, or"):
        read_yaml(tmp_path / "file.yaml", "file.yaml")


@pytest.mark.parametrize("value", [nested(51), "- " * 1000, "&a [*a]", f"{{{bomb().replace(chr(10), ', ')}}}"])
def test_so_are_words_of_the_command_line(value: str) -> None:
    with pytest.raises(SeglossError, match=r"^--config seeds: more than 50 levels"):
        check_configuration([], [f"seeds={value}"])


def test_anchors_that_save_writing_are_fine(tmp_path: Path) -> None:
    assert value_of("{a: &a {x: 1}, b: {<<: *a, y: 2}, c: [*a, *a]}", tmp_path)["b"] == {"x": 1, "y": 2}
    assert value_of(nested(40), tmp_path)


@pytest.mark.parametrize("number", ["1" + "0" * 5000, "0x" + "f" * 5000])
def test_numbers_of_thousands_of_digits_are_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(SeglossError, match=r"line 2: \w+\.\.\. is larger than whole numbers of 64 bits are$"):
        value_of(number, tmp_path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "file.yaml")
    with pytest.raises(SeglossError, match=r"file\.yaml: cannot be read: (a file was expected|Too many levels)"):
        read_yaml(tmp_path / "file.yaml", "file.yaml")


@pytest.mark.parametrize(
    ("word", "number", "remedy"),
    [
        ("datasets=2024_1", "20241", """'datasets=["2024_1"]'"""),
        ('datasets="2024_1"', "20241", """'datasets=["2024_1"]'"""),  # Snakemake takes these quotes off
        ("seeds=[0_1,2]", "1", """'seeds=["0_1",2]'"""),
        ("own_data={m: {seed: 1_0}}", "10", """'own_data={m: {seed: "1_0"}}'"""),
    ],
)
def test_underscored_numbers_of_the_command_line_are_refused(word: str, number: str, remedy: str) -> None:
    with pytest.raises(SeglossError) as error:
        check_configuration([], [word])
    assert str(error.value).startswith(f"--config {word}: ")
    assert f" would be read as the number {number}; " in str(error.value)
    assert str(error.value).endswith(f"in quotes: --config {remedy}")
    check_configuration([], [remedy.strip("'")])


def test_what_the_message_says_about_quotes_is_right() -> None:
    assert parse_config(['datasets=["2024_1"]', 'losses=["3"]']) == {"datasets": ["2024_1"], "losses": ["3"]}
    assert parse_config(['datasets="2024_1"']) == {"datasets": 20241}


def test_names_with_underscores_are_fine_on_the_command_line() -> None:
    words = [
        "datasets=phantom_lesions,2024_b",
        "own_data={m_1: {folder: /data/1_2, seed: 3}}",
        "mirror=http://a:80/1_2",
    ]
    check_configuration([], [*words, "noise=[{alpha: 0.5, beta: 1e-1}]", "title=a: b: 1_0", "x="])
    check_configuration([], None)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["settings={a: null, b: {c: false, d: [1, 1e-3, x]}}"], {"a": None, "b": {"c": False, "d": [1, 0.001, "x"]}}),
        (['settings={a: "1", b: 0_b}'], {"a": "1", "b": "0_b"}),
        (["settings={1: 2}"], {"1": 2}),
        (["settings={a: {b: 1}}", "settings={a: {c: true}}"], {"a": {"b": 1, "c": True}}),
        (["settings={a: 1}", "settings={a: 2}"], {"a": 2}),
    ],
)
def test_values_within_words_are_what_they_would_be_in_a_file(words: list[str], expected: dict) -> None:
    config = parse_config([*words, "seeds=0,1", "title=a: b: c"])
    assert typed(config, [*words, "seeds=0,1", "title=a: b: c"])["settings"] == expected
    assert typed(config, None) == config


def test_what_a_file_holds_stays_as_it_was() -> None:
    config = {"settings": {"a": "1", "b": "null"}, "own_losses": {"mine": "dice"}}
    assert typed(config | {"settings": {"a": "1", "b": "2"}}, ["settings={b: 2}"])["settings"] == {"a": "1", "b": 2}


def test_a_key_that_stands_twice_within_a_word() -> None:
    with pytest.raises(SeglossError, match=r"^--config settings: duplicate key 'a'"):
        typed(parse_config(["settings={a: 1, a: 2}"]), ["settings={a: 1, a: 2}"])


def test_files_of_json_may_be_indented_by_tabs(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{\n\t"seeds": [0]\n}\n')
    check_configuration([tmp_path / "config.json"], None)


def test_keys_that_stand_twice_in_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"seeds": [0], "seeds": [1]}')
    with pytest.raises(SeglossError, match=r"config\.json: not valid JSON \(duplicate key 'seeds'\); correct it"):
        check_configuration([tmp_path / "config.json"], None)


def test_snakemake_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("seeds: [0]\nscale: demo\nseeds: [1]\n")
    for arguments, fault in (
        (("--configfile", "mine.yaml"), f"error: {tmp_path}/mine.yaml: line 3: duplicate key 'seeds'\n"),
        (
            ("--config", "losses=bce", "seeds=0_1"),
            "error: --config seeds=0_1: 0_1 would be read as the number 1; ",
        ),
    ):
        assert_fails_with(snakemake(tmp_path, "--dry-run", "--snakefile", str(ROOT / "Snakefile"), *arguments), fault)


def test_a_configuration_on_which_snakemake_would_break_ends_in_one_line(tmp_path: Path) -> None:
    configuration = copy_project(tmp_path) / "workflow_config.yaml"
    configuration.write_text(f"seeds: {nested(1000)}")
    assert_fails_with(
        snakemake(tmp_path, "--dry-run"), f"error: {configuration}: more than 50 levels inside each other"
    )

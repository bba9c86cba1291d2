"""Study and configuration files, and --config: numbers that are what they look like, names that stay text."""

from pathlib import Path

import pytest
from snakemake.cli import parse_config
from test_workflow import ROOT, snakemake, told

from lib.errors import SeglossError
from lib.strict_yaml import check_configuration, read_yaml


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


def test_a_day_that_no_month_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(SeglossError, match=r"file\.yaml: not valid YAML: month must be in 1"):
        value_of("2024-13-01", tmp_path)


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


def test_files_of_json_may_be_indented_by_tabs(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{\n\t"seeds": [0]\n}\n')
    check_configuration([tmp_path / "config.json"], None)


def test_snakemake_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("seeds: [0]\nscale: demo\nseeds: [1]\n")
    for arguments, fault in (
        (("--configfile", "mine.yaml"), f"error: {tmp_path}/mine.yaml: line 3: key 'seeds' stands twice\n"),
        (
            ("--config", "losses=bce", "seeds=0_1"),
            "error: --config seeds=0_1: 0_1 would be read as the number 1; ",
        ),
    ):
        told(snakemake(tmp_path, "--dry-run", "--snakefile", str(ROOT / "Snakefile"), *arguments), fault)

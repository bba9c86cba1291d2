"""The page: what stands on it, where its numbers come from, and that it is one well-formed file."""

import hashlib
import re
import shutil
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from study_tables import cost_row, noisy, runs_of, write_study

from lib.config.study_schema import Look
from lib.losses.specification import resolved
from lib.report.made_by import made_by
from lib.report.page import report
from lib.report.sources import FOLDER, STYLE
from lib.report.studies import OWN, About, tables_in

PUBLISHED = {
    **{"dataset": "wmh2017", "title": "WMH", "published_loss": "GDL", "noise": "clean", "metric": "dice"},
    **{"published": 0.727, "source": "Table 1 <x>", "verdict": "reproduced", "attempt": "reduced"},
    **{"loss": "focal", "ours": 0.7, "low": 0.6, "high": 0.8},
}

CLAIM = {
    **{"claim": "It helps", "source": "Table 2", "dataset": "wmh2017", "noise": "clean", "loss": "GDL", "than": "CE"},
    **{"relation": "better", "column": "dice", "seeds": 3, "difference": 0.02, "low": -0.01, "high": 0.05},
    **{"verdict": "not shown", "attempt": "reduced"},
}


class Page(HTMLParser):
    """Elements with their attributes, text by element with an id, headings, and what is not closed."""

    VOID = {"meta", "link", "input", "br"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    clean = runs_of(folder / "runs")
    wrong = noisy(folder, runs_of(folder / "runs", noise="alpha0.7-beta0.7"), 0.7)
    costs = [cost_row("dice_ce", 0.3), cost_row("ce", 0.2)]
    write_study(folder / "small", [*clean, *wrong], costs=costs, published=[PUBLISHED], claims=[CLAIM])
    write_study(folder / "other", runs_of(folder / "runs", dataset="phantom_blobs"))
    return folder


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return report_of(folder)


def report_of(folder: Path) -> str:
    losses, looks = {"focal": resolved("focal")}, {"dice_ce": Look(label="Dice + CE")}
    about = {"small": About("Small <study>", "A note & more.", losses=losses, looks=looks)}
    return report({name: tables_in(folder / name) for name in ("small", "other")}, about, folder)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def section(html: str, name: str) -> str:
    """The text of a section of the page."""
    return Page(re.search(f'<section id="{name}".*?</section>', html, re.DOTALL)[0]).text


def test_the_page_is_one_well_formed_file_without_addresses(page: Page, html: str) -> None:
    assert page.open == []
    assert len(html) < 5_000_000
    assert not re.search(r"https?://", html)
    sources = [value for _, attrs in page.elements for name, value in attrs.items() if name in ("src", "href")]
    assert all(value.startswith(("#", "small/", "other/", "data:,")) for value in sources)


def test_equal_tables_give_equal_bytes(folder: Path, html: str) -> None:
    assert report_of(folder) == html


def test_names_are_text_and_never_elements(page: Page, html: str) -> None:
    assert "<b>" not in html and "<study>" not in html and "<x>" not in html
    assert "<b>&\"ce'" in page.text and "Small <study>" in page.text and "A note & more." in page.text


def test_every_file_is_linked_with_its_digest(page: Page, folder: Path, html: str) -> None:
    for path in [*tables_in(folder / "small"), *tables_in(folder / "other")]:
        assert path.relative_to(folder).as_posix() in html
        assert hashlib.sha256(path.read_bytes()).hexdigest() in section(html, "provenance")
    linked = {attrs["href"] for tag, attrs in page.elements if tag == "a" and not attrs["href"].startswith("#")}
    assert all((folder / link).is_file() for link in linked)


def test_every_section_with_numbers_names_its_files(html: str) -> None:
    for name in ("answers", "results", "differences", "noise", "proportions", "cost", "ledger", "failures"):
        assert "From small/" in section(html, name), name


def test_the_answer_stands_at_the_head_and_in_full(html: str) -> None:
    short, full = section(html, "short"), section(html, "answers")
    assert "Dice + CE , Dice 0.7" in short and "tied with 1 of 2 others" in short
    for text in (
        "Real data",
        "Best:",
        "How sure: 12 test cases, 3 seeds",
        "cross-entropy = 1: Dice + CE 1.50",
        "Not shown:",
    ):
        assert text in short, text
    for text in ("P(first)", "only 12 cases, 3 seeds", "1.50", "Dice + CE dice_ce Dice 0.7", "focal", "equivalent"):
        assert text in full, text


def test_phantoms_are_said_to_be_no_evidence(page: Page, folder: Path) -> None:
    assert "Some data here are phantoms." in page.text and "about your data: phantom_blobs" in page.text
    alone = Page(report({"other": tables_in(folder / "other")}))
    assert "A demonstration: all data here are phantoms." in alone.text
    assert (
        alone.text.count("Demonstration on phantoms, no evidence about patients") == 5
    )  # each card that has an answer
    real = Page(report({"small": tables_in(folder / "small")}))
    assert "phantom" not in real.text


def test_data_of_the_reader_are_named_first(folder: Path) -> None:
    html = report({"small": tables_in(folder / "small")}, {"small": About(evidence={"mr": OWN})})
    assert "Your data: mr." in Page(html).text
    assert "Your data Best:" in section(html, "short")


def test_whether_trainings_still_improved_is_said(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "small"
    shutil.copytree(folder / "small", copied)
    runs = pd.read_csv(copied / "runs.csv")
    assert "Trainings of" not in Page(report({"small": tables_in(copied)})).text
    runs = runs.assign(steps=400, late_gain=0.002)
    runs.to_csv(copied / "runs.csv", index=False)
    assert "the Dice of validation changed by +0.002 on average." in Page(report({"small": tables_in(copied)})).text
    runs.assign(late_gain=0.02).to_csv(copied / "runs.csv", index=False)
    longer = "changed by +0.020 on average: longer ones may change the order."
    assert longer in Page(report({"small": tables_in(copied)})).text


def test_lengths_in_pictures_count_pixels(folder: Path) -> None:
    paths = {"small": tables_in(folder / "small")}
    for pictures, unit, other in (((), " mm", " pixels"), ({"mr"}, " pixels", " mm")):
        short = section(report(paths, {"small": About(pictures=pictures)}), "short")
        assert unit in short and other not in short


def test_what_made_the_page_is_said(folder: Path) -> None:
    html = report({"small": tables_in(folder / "small")}, made_by=["segloss 9", "commit abc of 2026-01-02"])
    day = datetime.fromtimestamp((folder / "small/runs.csv").stat().st_mtime, UTC).date().isoformat()
    assert "Page made by segloss 9, commit abc of 2026-01-02, from tables of" in section(html, "provenance")
    assert f"runs.csv {day}" in section(html, "provenance")


def test_the_software_is_named_with_commit_and_changes() -> None:
    version, commit, *packages = made_by()
    assert version.startswith("segloss ") and commit.startswith("commit ")
    assert [text.split()[0] for text in packages] == ["Python", "torch", "snakemake", "pandas"]


def test_what_no_study_measured_is_said(html: str) -> None:
    assert "no study measures FROC" in section(html, "recall")
    assert "Not measured in this call." in section(html, "agreement")


def test_numbers_of_the_table_are_those_of_the_summary(html: str, folder: Path) -> None:
    text = section(html, "results")
    for dice in pd.read_csv(folder / "small/summary.csv")["dice"]:
        assert f"{dice:.3f}" in text


def test_one_other_number_changes_what_it_should_and_nothing_else(folder: Path, html: str, tmp_path: Path) -> None:
    for path in folder.glob("*/*.csv"):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    ledger = pd.read_csv(tmp_path / "small/ledger.csv").assign(published=0.5)
    ledger.to_csv(tmp_path / "small/ledger.csv", index=False)
    changed = report_of(tmp_path)
    ids = re.findall(r'<section id="([\w-]+)"', html)
    assert [name for name in ids if section(html, name) != section(changed, name)] == ["ledger", "provenance"]


def test_rankings_that_agree_are_shown_where_there_is_a_table(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "rank_agreement.csv"
    rows = ["network,enet,plain_unet_2d,mr,dice,3,-0.333333", "measure,dice,nsd,mr,,3,1", "data set,mr,ct,,dice,3,0.5"]
    rows += ["measure,dice,assd,mr,,3,1"]  # of a measure that no kind of task is judged by
    table.write_text("\n".join(["kind,one,other,dataset,column,losses,tau", *rows, ""]))
    text = section(report({"small": [*tables_in(folder / "small"), table]}), "agreement")
    assert "network −0.333 (1 pair), measure +1.000 (1 pair), data set +0.500 (1 pair)" in text
    assert "network: enet, plain_unet_2d mr – Dice 3 −0.333 small" in text and "assd" not in text


def test_the_ledger_of_all_studies_stands_for_those_of_the_studies(folder: Path, tmp_path: Path) -> None:
    joined = tmp_path / "ledger.csv"
    rows = [{**PUBLISHED, "study": "odyssey", "verdict": "not run", "reason": "no such data set here"}]
    pd.DataFrame(rows).to_csv(joined, index=False)
    html = report({"small": tables_in(folder / "small")}, joined=[joined])
    text = section(html, "ledger")
    assert "1: 1 not run." in text and "no such data set here" in text and "reproduced reduced" not in text
    assert hashlib.sha256(joined.read_bytes()).hexdigest() in section(html, "provenance")


def test_published_numbers_claims_and_failures_are_counted(html: str) -> None:
    claim = "It helps: GDL is better than CE wmh2017 clean +0.020 −0.010 to +0.050 3 not shown reduced – Table 2"
    assert claim in section(html, "ledger") and "1: 1 not shown." in section(html, "ledger")
    assert "GDL WMH Dice clean 0.727 0.700 0.600 to 0.800 reproduced reduced – Table 1 <x> small" in section(
        html, "ledger"
    )
    assert "Dice + CE dice_ce mr small 6 6" in section(html, "failures")


def test_headings_are_in_order_and_tables_and_drawings_are_named(page: Page) -> None:
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("caption") == tags.count("table")
    assert {"header", "nav", "main", "footer"} <= set(tags)
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in page.elements if tag == "th")
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [attrs.get("aria-labelledby", "") for tag, attrs in page.elements if attrs.get("role") == "img"]
    assert named and all(set(names.split()) <= set(ids) for names in named)
    targets = [attrs["href"][1:] for tag, attrs in page.elements if tag == "a" and attrs["href"].startswith("#")]
    assert set(targets) <= set(ids)


def luminance(colour: str) -> float:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_text_and_lines_have_the_contrast_of_wcag_aa(mode: int) -> None:
    style = (FOLDER / STYLE).read_text()
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[mode]))
    for text in ("ink", "quiet", "accent", "good", "bad", "open"):
        for ground in ("paper", "card"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["ink"], colours["warning"]) >= 4.5
    for line in [name for name in colours if re.fullmatch(r"s\d", name)]:
        assert contrast(colours[line], colours["paper"]) >= 3, line

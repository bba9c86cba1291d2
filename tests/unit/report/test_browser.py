"""The page in a browser: it opens from disk without network, sorts, filters, fits a phone, and reports no error."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest
from study_tables import runs_of, write_study

from lib.report.page import report
from lib.report.studies import tables_in

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here (Debian: apt-get install chromium)")

ASK = """<script>
addEventListener("load", () => {
  const out = document.createElement("pre");
  out.id = "outcome";
  const table = document.querySelector("#results table");
  const form = document.querySelector("#results form");
  const headings = [...table.tHead.rows[0].cells];
  const column = (text) => headings.findIndex((heading) => heading.textContent.startsWith(text));
  const shown = (text) => [...table.tBodies[0].rows].filter((row) => !row.hidden && row.offsetHeight).map(
    (row) => row.cells[column(text)].textContent.trim());
  const press = (text) => headings[column(text)].querySelector("button").click();
  const state = (text) => headings[column(text)].getAttribute("aria-sort");
  const change = (control, value) => {
    control.value = value;
    control.dispatchEvent(new Event("input", {bubbles: true}));
  };
  out.textContent = JSON.stringify((() => { %s })());
  parent.document.body.append(out);
});
</script>"""


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("results")
    dice = {f"loss{n}": 0.5 + 0.02 * n for n in (3, 1, 10, 2, 5)}
    runs = [run for name in ("mr", "ct") for run in runs_of(folder / "runs", dice, cases=3, dataset=name)]
    write_study(folder / "small", runs, reference="loss1")
    return report({"small": tables_in(folder / "small")})


def opened(page: Path) -> tuple[str, list[str]]:
    """The document once its scripts have run, and what the console says."""
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--window-size=1280,900", "--enable-logging=stderr"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=2000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def ask(html: str, folder: Path, script: str, width: int | None = None) -> Any:
    """What a script finds out in the page, or in a frame of a width (a window is never narrower than 500); no error is
    on the console."""
    page = folder / "report.html"
    asking = html.replace("</body>", ASK.replace("%s", script) + "</body>")
    if width:
        frame = f'<iframe srcdoc="{escape(asking)}" width="{width}" height="900" style="border: 0"></iframe>'
        asking = f"<!doctype html><title>frame</title><body>{frame}</body>"
    page.write_text(asking, encoding="utf-8")
    document, console = opened(page)
    assert console == []
    return json.loads(unescape(re.findall('<pre id="outcome">(.*?)</pre>', document, re.DOTALL)[-1]))


def test_an_error_on_the_console_would_be_seen(html: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(html.replace("</body>", "<script>missing()</script></body>"), encoding="utf-8")
    _, console = opened(page)
    assert "missing is not defined" in console[0]


def test_columns_sort_by_number_and_by_name_both_ways(html: str, tmp_path: Path) -> None:
    script = """
      const found = {before: state("Dice")};
      press("Dice"); found.up = shown("Dice"); found.state = state("Dice");
      press("Dice"); found.down = shown("Dice"); found.again = state("Dice");
      press("Loss"); found.names = shown("Loss"); found.after = state("Dice");
      return found;
    """
    found = ask(html, tmp_path, script)
    assert (found["before"], found["state"], found["again"], found["after"]) == (
        *("none", "ascending", "descending", "none"),
    )
    assert len(found["up"]) == 10 and found["up"] == sorted(found["up"]) == found["down"][::-1]
    assert found["names"] == [f"loss{n}" for n in (1, 1, 2, 2, 3, 3, 5, 5, 10, 10)]


def test_rows_are_filtered_by_choice_and_by_name(html: str, tmp_path: Path) -> None:
    script = """
      const count = () => form.querySelector("output").textContent;
      const found = {all: count()};
      change(form.querySelector("[data-filter=dataset]"), "ct"); found.sets = shown("Data set"); found.half = count();
      change(form.querySelector("[data-search]"), "LOSS1"); found.names = shown("Loss");
      change(form.querySelector("[data-filter=dataset]"), ""); found.both = shown("Loss");
      return found;
    """
    found = ask(html, tmp_path, script)
    assert found["all"] == "10 of 10 rows" and found["half"] == "5 of 10 rows"
    assert found["sets"] == ["ct plain_unet_2d"] * 5
    assert sorted(found["names"]) == ["loss1", "loss10"] and len(found["both"]) == 4


def test_other_measures_are_shown_on_request(html: str, tmp_path: Path) -> None:
    script = """
      const extra = form.querySelector("[data-extra]"), heading = table.querySelector("th.extra");
      const found = [heading.offsetWidth > 0];
      extra.checked = true; extra.dispatchEvent(new Event("input", {bubbles: true}));
      return [...found, heading.offsetWidth > 0];
    """
    assert ask(html, tmp_path, script) == [False, True]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_itself_never_scrolls_sideways_and_loads_nothing(html: str, tmp_path: Path, width: int) -> None:
    script = """
      document.querySelectorAll("details").forEach((part) => { part.open = true; });
      const wide = [...document.querySelectorAll(".scroll")].some((part) => part.scrollWidth > part.clientWidth);
      const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
      return [innerWidth, document.documentElement.scrollWidth, wide, loaded];
    """
    inner, scrolled, wide, loaded = ask(html, tmp_path, script, width)
    assert inner == width and scrolled <= inner
    assert wide or width > 390  # its tables do
    assert [name for name in loaded if not name.startswith("data:")] == []


def test_controls_are_reached_by_keyboard(html: str, tmp_path: Path) -> None:
    script = """
      const controls = [...document.querySelectorAll("th button, select, input, summary, .scroll, a[href]")];
      return controls.filter((control) => control.tabIndex < 0).length;
    """
    assert ask(html, tmp_path, script) == 0

"""Everything declared is documented, and the generated pages are those of this build."""
import re
import subprocess

import pytest
import source

DECLARATIONS = {
    "config": ("src/base/config.def", r"^CONFIG_\w+\((\w+),"),
    "errors": ("src/base/errors.def", r'^ERROR\(\w+,\s*"(\w+)"'),
    "metrics": ("src/base/metrics.def", r'^METRIC\(\w+,\s*"(\w+)"'),
}


def egalign(*arguments):
    return subprocess.run([source.EGALIGN, *arguments], capture_output=True, text=True, timeout=20, cwd=source.ROOT)


def commands():
    table = re.search(r"commands\[\] = \{(.*?)^\};", (source.ROOT / "src/main.c").read_text(), re.S | re.M).group(1)
    return re.findall(r'\{"([\w-]+)"', table)


@pytest.mark.parametrize("page", DECLARATIONS)
def test_page_is_the_generated_one(page):
    printed = egalign("docs", page)
    assert printed.returncode == 0
    assert (source.ROOT / "docs" / f"{page}.md").read_text() == printed.stdout, "run `make docs` and commit docs/"


@pytest.mark.parametrize("page", DECLARATIONS)
def test_every_declaration_is_on_its_page(page):
    file, pattern = DECLARATIONS[page]
    declared = re.findall(pattern, (source.ROOT / file).read_text(), re.M)
    page_text = (source.ROOT / "docs" / f"{page}.md").read_text().replace("-", "_")
    written = set(re.findall(r"[a-z][a-z0-9_]+", page_text))
    assert len(declared) > 5
    assert [name for name in declared if name not in written] == []


@pytest.mark.parametrize("command", commands())
def test_help_of_every_command(command):
    told = egalign(command, "--help")
    assert told.returncode == 0, told.stderr
    assert len(told.stdout.splitlines()) >= 2
    assert "usage: egalign " + command in told.stdout


def test_the_list_of_commands_names_them_all():
    told = egalign("--help")
    assert told.returncode == 0
    assert [name for name in commands() if not re.search(rf"^  {re.escape(name)} +\S", told.stdout, re.M)] == []


def test_an_unknown_command_is_a_usage_error():
    assert egalign("no-such-command").returncode == 2
    assert egalign().returncode == 2


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in [*source.ROOT.glob("*.md"), *source.ROOT.glob("docs/*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / link).exists():
                broken.append(f"{page.relative_to(source.ROOT)}: {link}")
    assert broken == []

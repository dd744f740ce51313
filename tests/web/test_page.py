"""The page, as a browser shows it, against the daemon."""
import json
import os
import subprocess
import urllib.error
import urllib.request

import pytest
from browser import Page

SHOWN = "!document.getElementById('report').hidden"
ASKED = "!document.getElementById('door').hidden"


def win_rates(service, project="demo"):
    return service.call("GET", f"/v1/projects/{project}/win-rates")


def opened(browser, service, project, token, **view):
    return Page(browser, f"{service.url}/#project={project}&token={token}", **view)


def percent(share):
    return f"{int(share * 100 + 0.5)} %"


def test_the_page_forbids_what_it_does_not_need(service):
    answer = urllib.request.urlopen(service.url + "/", timeout=30)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert answer.headers["content-type"].startswith("text/html")
    assert b"<script>" not in answer.read()


def test_nothing_outside_the_folder_is_served(service):
    for path in ("/web/../Makefile", "/web/%2e%2e/Makefile", "/web/no-such-file", "/web/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(service.url + path, timeout=30)
        assert refused.value.code in (400, 404)


def test_without_a_token_it_asks_for_one(browser, service):
    page = Page(browser, service.url + "/")
    page.wait(ASKED)
    assert page.value("document.activeElement.id") == "project"
    assert page.value("document.getElementById('report').hidden")
    assert page.complaints() == []


def test_groups_and_win_rates_are_shown(browser, service, demo):
    page = opened(browser, service, "demo", demo)
    page.wait(SHOWN)
    text, document = page.text(), win_rates(service)
    assert document["k"] == 2
    assert "2 groups of taste" in text
    assert text.count("worst off") == sum(group["worst_off"] for group in document["groups"]) == 1
    for group in document["groups"]:
        assert f"{group['size']} people · {percent(group['weight'])}" in text
        for side in ("group", "single"):
            assert percent(group["accuracy"][side]["rate"]) in text
    shown = [w for w in document["win_rates"] if w["policy"] < w["opponent"]]
    assert len(shown) == 6
    for rate in shown:
        assert f"{rate['policy']} wins against {rate['opponent']}" in text
        assert percent(rate["rate"]) in text
    assert document["fit_id"] in text
    assert page.value("document.querySelectorAll('svg.range').length") == 2 * 2 + 6
    assert page.complaints() == []


def test_intervals_are_drawn_where_they_are(browser, service, demo):
    page = opened(browser, service, "demo", demo)
    page.wait(SHOWN)
    drawn = json.loads(page.value("""JSON.stringify([...document.querySelectorAll('.pairs tr')].slice(0).filter(r => r.querySelector('.span'))
        .map(r => ['x1', 'x2'].map(a => r.querySelector('.span').getAttribute(a)).concat(r.querySelector('.value').getAttribute('cx'))))"""))
    told = [[f"{100 * w[end]:.2f}%" for end in ("low", "high", "rate")]
            for w in win_rates(service)["win_rates"] if w["policy"] < w["opponent"]]
    assert sorted(drawn) == sorted(told)


def test_the_token_leaves_the_address_and_stays_in_the_tab(browser, service, demo):
    page = opened(browser, service, "demo", demo)
    page.wait(SHOWN)
    assert page.value("location.href") == service.url + "/"
    page.call("Page.reload")
    page.wait("document.readyState === 'complete' && " + SHOWN)
    page.value("document.getElementById('leave').click()")
    page.wait(ASKED)
    assert page.value("sessionStorage.length + localStorage.length") == 0


def test_the_form_opens_a_project(browser, service, demo):
    page = Page(browser, service.url + "/")
    page.wait(ASKED)
    page.value(f"document.getElementById('project').value = 'demo', document.getElementById('token').value = '{demo}',"
               "document.querySelector('#door button').click()")
    page.wait(SHOWN)
    assert "2 groups of taste" in page.text()


def test_a_project_without_a_fit_says_what_is_missing(browser, service):
    token = service.project("empty")
    page = opened(browser, service, "empty", token)
    page.wait(SHOWN)
    assert "No groups yet" in page.text()
    assert page.complaints() == []


def test_a_wrong_token_and_a_wrong_project_are_told_in_plain_words(browser, service, demo):
    page = opened(browser, service, "demo", "no-token")
    page.wait(ASKED)
    assert "The token is not accepted" in page.text()
    page = opened(browser, service, "elsewhere", demo)
    page.wait(ASKED)
    assert "elsewhere" in page.text()


def test_it_polls_with_the_tag_and_shows_news_by_itself(browser, service):
    token = service.project("moving")
    page = opened(browser, service, "moving", token)
    page.wait(SHOWN)
    before = service.counter("egalign_http_not_modified_total")
    page.value("document.dispatchEvent(new Event('visibilitychange'))")
    service.wait(lambda: service.counter("egalign_http_not_modified_total") > before, "a 304 for the page")
    egalign = os.fspath(service.process.args[0])
    rows = subprocess.run([egalign, "demo", "--seed", "2"], check=True, capture_output=True).stdout
    service.call("POST", "/v1/projects/moving/comparisons", rows, "application/x-ndjson")
    service.fit("moving", {"permutations": 0, "k": 1})
    page.value("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait("document.body.innerText.includes('One taste for all')")
    assert page.complaints() == []


@pytest.mark.parametrize("width,dark", [(360, False), (390, True), (768, False), (1280, True)])
def test_nothing_sticks_out_sideways(browser, service, demo, width, dark, tmp_path):
    page = opened(browser, service, "demo", demo, width=width, height=900, dark=dark)
    page.wait(SHOWN)
    assert page.value("document.documentElement.scrollWidth") <= width
    page.value("""document.querySelectorAll('td.count').forEach((cell) => {
        cell.innerHTML = '98,888<span class="soft worth">worth 8,888</span>'; })""")
    assert page.value("[...document.querySelectorAll('.scroll')].every(s => s.scrollWidth <= s.clientWidth)")
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10000


def test_names_are_text_and_never_markup(browser, service, demo):
    group = win_rates(service)["groups"][0]
    service.call("PATCH", f"/v1/projects/demo/groups/{group['id']}", {"name": "<img src=x onerror=alert(1)>"})
    page = opened(browser, service, "demo", demo)
    page.wait(SHOWN)
    page.wait("document.body.innerText.includes('<img src=x')")
    assert page.value("document.querySelectorAll('#report img').length") == 0
    service.call("PATCH", f"/v1/projects/demo/groups/{group['id']}", {"name": ""})


def test_every_control_has_a_name_and_every_figure_its_numbers(browser, service, demo):
    page = opened(browser, service, "demo", demo)
    page.wait(SHOWN)
    assert page.value("[...document.querySelectorAll('input, select')].every(i => document.querySelector(`label[for=${i.id}]`))")
    assert page.value("[...document.querySelectorAll('svg.range')].every(s => /\\d/.test(s.closest('tr').textContent))")
    assert page.value("document.documentElement.lang") == "en"
    assert page.value("[...document.querySelectorAll('table')].every(t => t.caption && t.querySelector('th[scope=row]'))")

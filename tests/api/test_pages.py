"""The pages: files of one folder, and nothing beside it."""
import pytest
import requests

import wire


def test_the_page_and_its_files(shared):
    page = shared.with_token(None).get("/")
    assert page.headers["Content-Type"].startswith("text/html") and "<html" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    script = requests.get(shared.url + "/web/page.js", timeout=30)
    shared.validate(shared.operation("GET", "/web/{file}"), script)
    assert script.headers["Content-Type"].startswith("text/javascript")
    again = requests.get(shared.url + "/web/page.js", headers={"If-None-Match": script.headers["ETag"]}, timeout=30)
    assert again.status_code == 304
    shared.validate(shared.operation("GET", "/web/{file}"), again)
    missing = requests.get(shared.url + "/web/no-such.js", timeout=30)
    shared.validate(shared.operation("GET", "/web/{file}"), missing)
    assert missing.status_code == 404
    assert shared.with_token(None).get("/", headers={"If-None-Match": page.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/web/../Makefile", "/web/%2e%2e/Makefile", "/web/..%2fMakefile", "/web/.hidden", "/web/",
                                  "/web//page.js", "/web/page.js/", "/web/no-such.js", "/web/%2fetc%2fpasswd", "/web/sub/../page.js",
                                  "/web/..\\Makefile", "/web/page.js%00.png", "/web"])
def test_no_way_out_of_the_folder(shared, path):
    status, answer = wire.exchange(shared, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert status in (400, 404), answer


def test_links_are_not_followed(start_daemon, database, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    web = tmp_path / "web"
    web.mkdir()
    (web / "index.html").write_text("<html></html>")
    (web / "link.txt").symlink_to(tmp_path / "secret.txt")
    (web / "folder").symlink_to(tmp_path)
    (web / "program.sh").write_text("not a page")
    daemon = start_daemon(database, "--web-dir", str(web)).ready()
    assert requests.get(daemon.url + "/", timeout=30).text == "<html></html>"
    for path in ("link.txt", "folder/secret.txt", "program.sh"):
        assert requests.get(f"{daemon.url}/web/{path}", timeout=30).status_code == 404
    assert daemon.stop() == 0

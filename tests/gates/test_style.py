"""The rules of CONTRIBUTING.md that a program can check."""
import re

import source

LONGEST_FUNCTION = 100
DEEPEST = 4
DEEPEST_NUMERICAL = 5  # in src/core: loops over matrices
WIDEST = 120
CORPUS = ("tests", "fuzz", "corpus")  # bytes, not text
TEXT = {".c", ".h", ".def", ".sql", ".py", ".sh", ".md", ".html", ".css", ".js", ".mjs", ".json", ".yml", ".yaml", ""}
PROTOTYPE = re.compile(r"^(?!typedef|static\s|struct\s+\w+\s*;|#)[A-Za-z_][\w\s\*]*?\b(\w+)\((?:[^()]|\([^()]*\))*\)"
                       r"(?:\s*__attribute__\s*\(\(.*?\)\))*\s*;", re.M | re.S)


def texts():
    for path in source.repository_files():
        if path.suffix in TEXT and path.name != "LICENSE" and path.relative_to(source.ROOT).parts[:3] != CORPUS:
            yield path.relative_to(source.ROOT), path.read_text(errors="replace")


def test_functions_are_short_and_flat():
    wrong, seen = [], 0
    for path in source.sources(".c", ".h"):
        inside = path.relative_to(source.ROOT)
        deepest = DEEPEST_NUMERICAL if inside.parts[1] == "core" else DEEPEST
        for f in source.functions(path.read_text()):
            seen += 1
            if f.lines > LONGEST_FUNCTION:
                wrong.append(f"{inside}:{f.line}: {f.name} has {f.lines} lines")
            if f.depth > deepest:
                wrong.append(f"{inside}:{f.line}: {f.name} nests {f.depth} deep")
    assert seen > 50
    assert wrong == []


def uncommented(text):
    """Names of prototypes in paragraphs of a header that hold no comment at all."""
    bare = []
    for paragraph in re.split(r"\n\s*\n", text):
        if "/*" not in paragraph and "//" not in paragraph:
            bare += [m.group(1) for m in PROTOTYPE.finditer(source.without_preprocessor(paragraph))]
    return bare


def test_public_prototypes_are_commented():
    wrong, seen = [], 0
    for path in source.sources(".h"):
        if path.relative_to(source.ROOT / "src").parts[0] == "cli":
            continue  # one function a command, all of one kind, described in command.h
        text = path.read_text()
        seen += len(PROTOTYPE.findall(text))
        wrong += [f"{path.relative_to(source.ROOT)}: {name}" for name in uncommented(text)]
    assert seen > 50
    assert wrong == []


def test_a_prototype_without_a_comment_is_seen():
    assert uncommented("/* said */\nint a(void);\n\nint b(int x,\n      struct y *z);\n") == ["b"]


def test_headers_open_with_what_they_are():
    wrong = [str(p.relative_to(source.ROOT)) for p in source.sources(".h")
             if not re.match(rf"/\* [\w./-]*{re.escape(p.stem)}[\w./-]*: ", p.read_text())]
    assert wrong == []


def test_no_unfinished_work_is_announced():
    word = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
    assert [f"{path}: {m.group()}" for path, text in texts() for m in [word.search(text)] if m] == []


def test_nothing_names_a_workplace():
    place = re.compile(r"(?<![\w.~$})-])/(?:[w]ork|[h]ome/\w|tmp/[w]t)(?:/|\b)"
                       r"|\b(?:[r]egistry|[i]ndex|[p]roxy)\.[\w-]+\.(?:org|com|io)\b|[p]ypi|[n]pmjs|[a]rtifactory|deb\.[d]ebian", re.I)
    allowed = {"tests/gates/test_style.py"}
    assert [f"{path}: {m.group()}" for path, text in texts() if str(path) not in allowed
            for m in [place.search(text)] if m] == []


def held_to_the_width():
    """C, JavaScript, style sheets and shell scripts, wherever they are."""
    for path in source.repository_files():
        if path.suffix in (".c", ".h", ".js", ".css") or source.is_shell(path):
            yield path


def test_lines_fit_the_width():
    held = list(held_to_the_width())
    assert {"main.c", "oracle.h", "draw.js", "page.css", "quickstart", "story.sh"} <= {path.name for path in held}
    wrong = []
    for path in held:
        for number, line in enumerate(path.read_text().split("\n"), 1):
            if len(line) > WIDEST and not re.search(r"https?://", line):
                wrong.append(f"{path.relative_to(source.ROOT)}:{number}: {len(line)} columns")
    assert wrong == []


def test_text_files_end_with_one_newline_and_have_no_trailing_blanks():
    wrong = []
    for path, text in texts():
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            wrong.append(f"{path}: end of file")
        if path.suffix in (".c", ".h", ".py", ".sql", ".js", ".css") and re.search(r"[ \t]$", text, re.M):
            wrong.append(f"{path}: trailing blanks")
    assert wrong == []

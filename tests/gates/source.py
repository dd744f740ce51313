"""Reads the project's C sources as far as the gates need it: comments, functions, how deep their statements nest.

Not a C parser: preprocessor lines are left out, and a function is a top-level brace whose declaration has parentheses and
no initialiser. That covers the house style, which has no K&R definitions and no braces inside macros' arguments."""
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FLAVOUR = os.environ.get("FLAVOUR", "release")
BUILD = ROOT / "build" / FLAVOUR
EGALIGN = BUILD / "egalign"

_WORDS = re.compile(r"[A-Za-z_]\w*|[{}();=]|[^\s]")
_OPAQUE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def sources(*suffixes):
    return sorted(p for p in (ROOT / "src").rglob("*") if p.suffix in suffixes)


def repository_files():
    """Every file of the repository, or of the unpacked source where there is no git."""
    if shutil.which("git"):
        command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        names = filter(None, listed.stdout.split("\0"))
        if listed.returncode == 0:
            return sorted(ROOT / name for name in names if (ROOT / name).is_file())
    skipped = {"build", "node_modules", "__pycache__", ".git", ".pytest_cache"}
    return sorted(p for p in ROOT.rglob("*") if p.is_file() and not skipped & set(p.relative_to(ROOT).parts))


def is_shell(path):
    """A script by its first line."""
    with open(path, "rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and (b"bash" in first or first.rstrip().endswith(b"/sh"))


def without_comments(text):
    """Comments and the insides of literals become blanks; lines stay where they are."""
    def blank(match):
        found = match.group()
        keep = found[0] + found[-1] if found[0] in "\"'" else ""
        return keep or re.sub(r"[^\n]", " ", found)
    return _OPAQUE.sub(blank, text)


def without_preprocessor(text):
    def blank(match):
        return re.sub(r"[^\n]", "", match.group())
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


class Function:
    """One function definition: name, the line of its opening brace, its length, and how deep its statements nest."""

    def __init__(self, name, line, lines, depth):
        self.name, self.line, self.lines, self.depth = name, line, lines, depth


def functions(text):
    """The functions defined in the text of a C file."""
    tokens = _tokens(without_preprocessor(without_comments(text)))
    found, start, at = [], 0, 0
    while at < len(tokens):
        word, line = tokens[at]
        if word == "{":
            end = _closing(tokens, at)
            head = [t for t, _ in tokens[start:at]]
            if "(" in head and "=" not in head:
                first = tokens[start][1]
                name = head[head.index("(") - 1]
                depth = _Statements(tokens, at).block(0)[1]
                found.append(Function(name, line, tokens[end][1] - first + 1, depth))
            at = end
        if word in "{;":
            start = at + 1
        at += 1
    return found


def _tokens(text):
    tokens = []
    for number, line in enumerate(text.split("\n"), 1):
        tokens += [(word, number) for word in _WORDS.findall(line)]
    return tokens


def _closing(tokens, at):
    """Index of the bracket that closes the one at `at`."""
    opener, level = tokens[at][0], 0
    closer = {"{": "}", "(": ")"}[opener]
    for i in range(at, len(tokens)):
        level += (tokens[i][0] == opener) - (tokens[i][0] == closer)
        if level == 0:
            return i
    raise ValueError(f"line {tokens[at][1]}: unclosed {opener}")


class _Statements:
    """Walks statements: each if, for, while, do and switch is one level, with braces or without; else-if adds none."""

    def __init__(self, tokens, at):
        self.tokens, self.at = tokens, at

    def word(self):
        return self.tokens[self.at][0]

    def block(self, depth):
        """From `{` at self.at past its `}`. Returns (self.at, deepest level seen)."""
        end, deepest = _closing(self.tokens, self.at), depth
        self.at += 1
        while self.at < end:
            deepest = max(deepest, self.statement(depth))
        self.at = end + 1
        return self.at, deepest

    def statement(self, depth):
        word = self.word()
        if word == "{":
            return self.block(depth)[1]
        if word in ("for", "while", "switch", "if"):
            return self.controlled(word, depth)
        if word == "do":
            self.at += 1
            deepest = self.statement(depth + 1)
            self.simple()
            return max(deepest, depth + 1)
        self.simple()
        return depth

    def controlled(self, word, depth):
        self.at = _closing(self.tokens, self.at + 1) + 1
        deepest = max(depth + 1, self.statement(depth + 1))
        if word == "if" and self.at < len(self.tokens) and self.word() == "else":
            self.at += 1
            inner = depth if self.word() == "if" else depth + 1
            deepest = max(deepest, self.statement(inner))
        return deepest

    def simple(self):
        """Past the next `;` or, for a label, `:` ... the statement after it counts on its own."""
        while self.word() != ";":
            if self.word() in "({":
                self.at = _closing(self.tokens, self.at)
            elif self.word() == ":" and self.tokens[self.at - 1][0] != ":" and self._is_label():
                break
            self.at += 1
        self.at += 1

    def _is_label(self):
        i = self.at - 1
        while self.tokens[i][0] not in ("case", "default", ";", "{", "}", "?", ")"):
            i -= 1
        return self.tokens[i][0] in ("case", "default")

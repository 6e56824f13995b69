#!/usr/bin/env python3
"""The house style, as far as a program can judge it. Prints one line per offence and ends with 1 if there are any.

    tests/tidy/tidy.py [--bin build/bin] [RULE ...]

A rule is a function below, marked @rule, that yields "file:line: what is wrong"; tests/tidy/test_tidy.py runs each as a
test and proves on bad examples that it notices. Python's standard library is enough. Only files that git knows, or all
files where there is no git, are looked at.
"""
import argparse
import functools
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM_FOLDERS = ("broker", "monitor", "client", "exporter", "top")
FUNCTION_LINES, FILE_LINES, WIDTH = 70, 800, 130

RULES = {}


def rule(function):
    RULES[function.__name__] = function
    return function


class Tree:
    """The files under a folder; `bin` is where the programs are, or None. Tests make small ones of their own."""

    def __init__(self, root=ROOT, programs=None):
        self.root, self.bin = pathlib.Path(root), programs

    @functools.cached_property
    def files(self):
        listed = subprocess.run(["git", "ls-files"], cwd=self.root, capture_output=True, text=True) \
            if (self.root / ".git").exists() and shutil.which("git") else None
        if listed and listed.returncode == 0:
            names = listed.stdout.splitlines()
        else:
            names = [str(path.relative_to(self.root)) for path in self.root.rglob("*")]
            names = [name for name in names if not re.match(r"\.|build", name) and "node_modules" not in name]
        return sorted(name for name in names if (self.root / name).is_file())

    def named(self, *endings, under=()):
        return [name for name in self.files if name.endswith(endings) and (not under or name.startswith(under))]

    @functools.cache
    def text(self, name):
        return (self.root / name).read_text(errors="replace")

    def lines(self, name):
        return enumerate(self.text(name).splitlines(), 1)

    @functools.cache
    def code(self, name):
        """The text with comments and what stands between quotes blanked; lines stay where they are."""
        def blank(match):
            text = match[0]
            inner = re.sub(r"[^\n]", " ", text[1:-1])
            return text[0] + inner + text[-1] if text[0] in "\"'" else re.sub(r"[^\n]", " ", text)
        return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', blank, self.text(name), flags=re.S)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


# Size.

@rule
def function_length(tree):
    """A function has 70 lines at most; a byte-driven parser says why it is longer: a comment with "one long switch"."""
    for name in tree.named(".c", ".h"):
        start, header = None, ""
        for number, line in enumerate(tree.code(name).splitlines(), 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                length = number - start + 1
                above = "\n".join(tree.text(name).splitlines()[max(0, start - 8):start])
                if length > FUNCTION_LINES and "one long switch" not in above:
                    yield f"{name}:{start}: {header.strip()}: {length} lines, {FUNCTION_LINES} at most"
                start = None
            elif line.strip() and not start:
                header = line


@rule
def file_length(tree):
    for name in tree.named(".c", ".h", ".py"):
        count = tree.text(name).count("\n")
        if count > FILE_LINES:
            yield f"{name}:{count}: longer than {FILE_LINES} lines: split it by what it is about"


@rule
def width_and_blanks(tree):
    """Tables (.def), generated files and what tests send are exempt from the width; no file has blanks at line ends."""
    for name in tree.named(".c", ".h", ".py", ".def", "CMakeLists.txt", ".sh"):
        for number, line in tree.lines(name):
            if line != line.rstrip():
                yield f"{name}:{number}: blanks at the end of the line"
            if "\t" in line and name.endswith((".c", ".h", ".py")):
                yield f"{name}:{number}: a tab; indent with blanks, write \\t in texts"
            if len(line) > WIDTH and name.endswith((".c", ".h")) and not re.search(r'"', line):
                yield f"{name}:{number}: {len(line)} columns, {WIDTH} at most"
        if tree.text(name) and not tree.text(name).endswith("\n"):
            yield f"{name}: no newline at the end"


# Language.

BANNED = {name: "it writes without a limit; use snprintf or memcpy" for name in
          ("strcpy", "strcat", "sprintf", "vsprintf", "stpcpy", "gets")}
BANNED["strtok"] = "it keeps state between calls; use strsep or strtok_r"
BANNED.update({name: "allocate through broker/base/mem.h" for name in ("malloc", "calloc", "realloc", "strdup", "strndup")})
# Where free() is right, because a library allocated.
LIBRARY_MEMORY = {
    "broker/core/broker.c": "the text of json_dumps",
    "broker/files.c": "the text of json_dumps",
    "client/output.c": "lists of header names and values from libnats",
}


@rule
def banned_calls(tree):
    """Tests may allocate as they like."""
    for name in tree.named(".c", ".h"):
        program = name.startswith(PROGRAM_FOLDERS)
        memory = program and name not in ("broker/base/mem.c", "broker/base/mem.h")
        for match in re.finditer(r"(?<![\w.>])(\w+)\(", tree.code(name)):
            call, number = match[1], line_of(tree.code(name), match.start())
            if call in BANNED and (memory or "mem.h" not in BANNED[call]):
                yield f"{name}:{number}: {call}(): {BANNED[call]}"
            if call == "free" and memory and name not in LIBRARY_MEMORY:
                yield f"{name}:{number}: free(): use mem_free; what a library gave has a row in LIBRARY_MEMORY of tidy.py"


@rule
def c_files_open_with_an_essay_and_headers_with_their_contract(tree):
    for name in tree.named(".c", ".h", under=PROGRAM_FOLDERS):
        head = tree.text(name).lstrip()
        if name.endswith(".h"):
            head = re.sub(r"^#(pragma once|ifndef \w+\n#define \w+)\s*", "", head)
        if not head.startswith("/*"):
            yield f"{name}:1: opens without a comment on what it is for"


@rule
def functions_are_named_after_their_file(tree):
    """Declared in x.h, or defined in x.c without static: x_something, or x itself."""
    for name in tree.named(".h", under=PROGRAM_FOLDERS):
        if name in NAMED_OTHERWISE:
            continue
        stem = pathlib.Path(name).stem
        for match in re.finditer(r"^(?!static|typedef|#|struct \w+ \{|enum)[a-z][\w ]*[ *](\w+)\([^;{}]*\)[^;{}]*;", tree.code(name), re.M):
            function = match[1]
            if function != stem and not function.startswith((stem + "_", stem.removesuffix("s") + "_", "__tsan_")):
                yield f"{name}:{line_of(tree.code(name), match.start(1))}: {function}() should begin with {stem}_"


# Headers whose functions have a good reason for other names.
NAMED_OTHERWISE = {
    "broker/base/base.h": "the small vocabulary that every file uses",
    "broker/inspect_set.h": "the writing side of inspect.c",
    "client/verbs.h": "one function per verb, named after the verb's file",
    "monitor/http.h": "the monitor as the server sees it",
    "top/views.h": "one function per view, named after the view's file",
}


@rule
def no_left_overs(tree):
    # Spelt in pieces, so that the rule does not find itself.
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|HA" r"CK)\b")
    for name in tree.named(".c", ".h", ".def", ".py", ".md", ".sh", "CMakeLists.txt"):
        for number, line in tree.lines(name):
            if words.search(line):
                yield f"{name}:{number}: unfinished: {line.strip()[:80]}"


# Who may include whom. The order of the layers; each may include those before it in its list.
LAYERS = {
    "broker/base/": ["broker/base/"],
    "broker/metrics": ["broker/base/", "broker/metrics", "broker/close_reasons"],
    "broker/close_reasons": ["broker/base/", "broker/close_reasons"],
    "broker/drop_reasons": ["broker/base/", "broker/close_reasons", "broker/drop_reasons"],
    "broker/options": ["broker/base/", "broker/metrics.h", "broker/options", "broker/config", "broker/files.h",
                       "broker/signal_command", "broker/health_check"],
    "broker/config": ["broker/base/", "broker/files.h", "broker/options", "broker/config"],
    "broker/health_check": ["broker/base/", "broker/options.h", "broker/health_check"],
    "broker/signal_command": ["broker/base/", "broker/options", "broker/signal_command"],
    "broker/files": ["broker/base/", "broker/files"],
    "broker/core/": ["broker/base/", "broker/metrics", "broker/close_reasons", "broker/drop_reasons", "broker/options.h",
                     "broker/system_task.h", "broker/system_services.def", "broker/core/"],
    "broker/net/": ["broker/base/", "broker/metrics", "broker/close_reasons", "broker/drop_reasons", "broker/options.h",
                    "broker/core/", "broker/net/"],
    "broker/inspect": ["broker/base/", "broker/metrics", "broker/close_reasons", "broker/drop_reasons", "broker/options.h",
                       "broker/core/", "broker/net/", "broker/inspect"],
    "broker/system_task": ["broker/base/", "broker/system_"],
    "broker/system_services": [],
    "broker/system_queue": ["broker/base/", "broker/core/", "broker/system_task.h", "broker/system_queue.h"],
    "broker/health": ["broker/base/", "broker/options.h", "broker/core/", "broker/net/", "broker/inspect", "broker/health"],
    "broker/lame_duck": ["broker/"],
    "broker/main.c": ["broker/", "monitor/http.h", "monitor/services.h"],
    "monitor/gzip": ["broker/base/", "monitor/gzip.h"],
    "monitor/http_get": ["broker/base/", "monitor/http_get.h"],
    "monitor/json_read": ["broker/base/", "monitor/json_read.h"],
    "monitor/prom_text": ["broker/base/", "broker/metrics.h", "monitor/prom_text.h"],
    "monitor/": ["broker/base/", "broker/metrics", "broker/close_reasons", "broker/inspect.h", "broker/health.h",
                 "broker/system_queue.h", "broker/system_services.def", "broker/system_task.h", "monitor/"],
    "exporter/": ["broker/base/", "broker/metrics", "monitor/gzip.h", "monitor/http_get.h", "monitor/json_read.h", "monitor/prom_text.h", "exporter/"],
    "top/": ["broker/base/", "broker/metrics", "monitor/http_get.h", "monitor/json_read.h", "top/"],
    "client/": ["broker/base/", "client/"],
}
# Libraries that only some folders may see.
LIBRARIES = {
    "uv.h": ("broker/net/", "broker/lame_duck", "broker/main.c"),
    "openssl/": ("broker/net/", "broker/files.c", "broker/options", "broker/main.c"),
    "sys/socket.h": ("broker/base/listen.", "broker/net/", "monitor/", "client/", "exporter/", "top/", "tests/", "broker/signal_command", "broker/health_check"),
    "curl/": ("monitor/http_get.c",),
    "curses.h": ("top/",),
    "microhttpd.h": ("monitor/", "exporter/"),
    "nats/": ("client/", "tests/"),
}


def layer_of(name):
    return max((layer for layer in LAYERS if name.startswith(layer)), key=len, default=None)


@rule
def include_direction(tree):
    for name in tree.named(".c", ".h", ".def", under=PROGRAM_FOLDERS):
        layer = layer_of(name)
        if not layer:
            yield f"{name}:1: in no layer: give it a row in LAYERS of tests/tidy/tidy.py"
            continue
        for number, line in tree.lines(name):
            match = re.match(r'#\s*include\s+(["<])([^">]+)', line)
            if not match:
                continue
            if match[1] == '"' and not match[2].startswith(tuple(LAYERS[layer])):
                yield f"{name}:{number}: {layer} may not include {match[2]}"
            for library, users in LIBRARIES.items():
                if match[1] == "<" and (match[2].startswith(library) or match[2] == library) and not name.startswith(users):
                    yield f"{name}:{number}: only {', '.join(users)} may include <{match[2]}>"


# Generated files and formatting.

@rule
def generated_files_are_fresh(tree):
    if not tree.bin:
        return
    program = pathlib.Path(tree.bin) / "clearwing"
    if not program.exists():
        yield f"{program}: not built, so nothing can be compared with it"
        return
    listed = subprocess.run([program, "--list-metrics"], capture_output=True, text=True, timeout=20)
    if listed.returncode != 0 or listed.stdout != tree.text("monitor/METRICS.md"):
        yield "monitor/METRICS.md:1: not what the broker says: clearwing --list-metrics > monitor/METRICS.md"


# Folders that clang-format leaves as they are; tables are exempt.
FORMATTED = ("broker/", "client/", "exporter/", "monitor/", "top/")


@rule
def formatting(tree):
    """By the clang-format of Debian 12; another version has other opinions, so without it nothing is said."""
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not program or "version 14." not in subprocess.run([program, "--version"], capture_output=True, text=True).stdout:
        return
    names = tree.named(".c", ".h", under=FORMATTED)
    if not names:
        return
    done = subprocess.run([program, "--dry-run", *names], cwd=tree.root, capture_output=True, text=True, timeout=300)
    for name, number in sorted(set(re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error):", done.stderr, re.M))):
        yield f"{name}:{number}: clang-format -i {name}"


# What the project says about itself.

@rule
def lock_files_name_no_other_registry(tree):
    """Lock files name packages by version and checksum, and the public registry by its own name or not at all."""
    for name in tree.named(".json", ".toml", ".txt", ".sum", ".mod", ".npmrc", ".yml", "pip.conf"):
        for number, line in tree.lines(name):
            match = re.search(r'"resolved":\s*"https?://([^/"]+)', line) or re.search(r"--(?:extra-)?index-url\s+https?://([^/\s]+)", line)
            if match and match[1] != "registry.npmjs.org":
                yield f"{name}:{number}: names the host {match[1]}"


@rule
def no_numbers_and_places_that_others_do_not_have(tree):
    """The tree stands alone: no numbers of some tracker, no paths of one person's machine."""
    for name in tree.named(".c", ".h", ".def", ".py", ".md", ".sh", ".go", ".mjs", ".jsx", "CMakeLists.txt", ".yml"):
        for number, line in tree.lines(name):
            if re.search(r"(?i)\b(issue|ticket|bug|pull request|PR|see|fix(es)?|closes?) #\d", line):
                yield f"{name}:{number}: a number of a tracker: {line.strip()[:80]}"
            if re.search(r"(?<![\w.])/(work|home/\w+|root)/", line):
                yield f"{name}:{number}: a path of one machine: {line.strip()[:80]}"


@rule
def shell_scripts_are_valid(tree):
    for name in tree.files:
        text = tree.text(name) if "." not in pathlib.Path(name).name or name.endswith(".sh") else ""
        if text.startswith(("#!/usr/bin/env bash", "#!/bin/bash")) or name.endswith(".sh"):
            done = subprocess.run(["bash", "-n", tree.root / name], capture_output=True, text=True)
            if done.returncode != 0:
                yield f"{name}: {done.stderr.strip()}"


@rule
def links_lead_somewhere(tree):
    """Every relative link of a Markdown page."""
    for name in tree.named(".md"):
        for number, line in tree.lines(name):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
                if not re.match(r"\w+:", target) and not ((tree.root / name).parent / target).exists():
                    yield f"{name}:{number}: the link to {target} leads nowhere"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", help="folder with the programs, for generated files")
    parser.add_argument("rules", nargs="*", metavar="RULE", help=f"of {', '.join(RULES)}; all unless given")
    arguments = parser.parse_args()
    unknown = set(arguments.rules) - set(RULES)
    if unknown:
        parser.exit(1, f"tidy.py: unknown rule {sorted(unknown)[0]}; there are {', '.join(RULES)}\n")
    tree, offences = Tree(programs=arguments.bin), 0
    for name in arguments.rules or RULES:
        for offence in RULES[name](tree):
            print(f"{name}: {offence}")
            offences += 1
    print(f"tidy: {len(arguments.rules or RULES)} rules, {offences} offences")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())

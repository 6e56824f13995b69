#!/usr/bin/env python3
"""Writes packaging/completions for bash, zsh and fish from what each program says about its own options.

    packaging/completions.py [--bin build/bin] [--output packaging/completions]

The programs are asked with --list-options (the exporter with --help), so an option is never typed a second time.
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
VERBS = {
    "top": "Watch a server in the terminal",
    "exporter": "Serve Prometheus metrics of NATS servers",
    "publish": "Publish messages",
    "subscribe": "Print messages as they arrive",
    "request": "Send a request and print the reply",
    "reply": "Answer requests",
    "bench": "Measure throughput and latency",
}
PROGRAMS = ["clearwing"] + [f"clearwing-{verb}" for verb in VERBS]
SERVER = ""
HEADER = "# Written by packaging/completions.py from the programs' own lists of options; not to be edited.\n"

# flags: all spellings with their dashes. value: what the argument is called, "" for a switch.
Option = collections.namedtuple("Option", "flags value help")


# Reading what the programs say.

def server_options(text):
    """long,long TAB short TAB value TAB key TAB default TAB help; a dash where there is none."""
    for line in text.splitlines():
        longs, shorts, value, _, _, about = line.split("\t")
        flags = [flag for flag in f"{longs},{shorts}".split(",") if flag != "-"]
        if flags:
            yield Option(flags, "" if value == "-" else value, about)


def table_options(text):
    """The viewer's rows: | `--long VALUE` | `-s` | help |."""
    for name, value, short, about in re.findall(r"^\| `(--\S+?)(?: ([^`]+))?` \| (?:`(\S+)`)? \| (.*) \|$", text, re.M):
        yield Option([name] + ([short] if short else []), value, about)


def tabbed_options(text):
    """The client's rows: --long TAB value TAB help."""
    for line in text.splitlines():
        name, value, about = line.split("\t")
        yield Option([name], value, about)


def help_options(text):
    """The exporter's help: two blanks, --long VALUE, two blanks or more, help."""
    for name, value, about in re.findall(r"^  (--?[\w-]+)(?: (\S+))?  +(\S.*)$", text, re.M):
        yield Option([name], value, about)


READERS = {SERVER: (server_options, "--list-options"), "top": (table_options, "--list-options"),
           "exporter": (help_options, "--help")}


def options_of(folder, verb):
    reader, how = READERS.get(verb, (tabbed_options, "--list-options"))
    program = folder / (f"clearwing-{verb}" if verb else "clearwing")
    done = subprocess.run([program, how], capture_output=True, text=True, timeout=20)
    found = list(reader(done.stdout))
    if done.returncode != 0 or not any("--help" in option.flags for option in found):
        sys.exit(f"completions.py: {program} {how} lists no options: {done.stderr.strip()}")
    return found


def kind(option):
    """What completes the argument: files, folders, chosen words, or nothing."""
    if option.value in ("FILE", "DIR"):
        return option.value
    return "TEXT" if option.value else ""


# bash

def bash(options):
    cases = []
    for verb, rows in options.items():
        flags = [flag for row in rows for flag in row.flags]
        files = [flag for row in rows if kind(row) == "FILE" for flag in row.flags]
        folders = [flag for row in rows if kind(row) == "DIR" for flag in row.flags]
        texts = [flag for row in rows if kind(row) == "TEXT" for flag in row.flags]
        cases.append(f"    {verb or 'server'})\n        flags='{' '.join(flags)}'\n        files=' {' '.join(files)} '\n"
                     f"        folders=' {' '.join(folders)} '\n        texts=' {' '.join(texts)} '\n        ;;\n")
    return HEADER + BASH.replace("@VERBS@", " ".join(VERBS)).replace("@CASES@", "".join(cases)).replace(
        "@PROGRAMS@", " ".join(PROGRAMS))


BASH = """
_clearwing() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]##*/}
    local verb=${program#clearwing-} flags files folders texts
    if [[ $program == clearwing ]]; then
        verb=server
        if ((COMP_CWORD > 1)) && [[ " @VERBS@ " == *" ${COMP_WORDS[1]} "* ]]; then
            verb=${COMP_WORDS[1]}
        fi
    fi
    case $verb in
@CASES@    *) return ;;
    esac
    COMPREPLY=()
    if [[ $files == *" $before "* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ $folders == *" $before "* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    elif [[ $texts == *" $before "* ]]; then
        return
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$word")
    elif [[ $program == clearwing ]] && ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W '@VERBS@' -- "$word")
    fi
}

complete -F _clearwing @PROGRAMS@
"""


# zsh

def zsh_spec(option):
    about = re.sub(r"([\\\[\]:'`$])", lambda m: "'\\''" if m[1] == "'" else "\\" + m[1] if m[1] in "\\[]:" else m[1],
                   option.help)
    value = option.value.replace(":", "\\:").replace("'", "'\\''")
    argument = {"": "", "FILE": f":{value}:_files", "DIR": f":{value}:_files -/", "TEXT": f":{value}: "}[kind(option)]
    others = " ".join(option.flags)
    repeated = "*" if "may be repeated" in option.help else ""
    return [f"'{repeated or f'({others})'}{flag}[{about}]{argument}'" for flag in option.flags]


def zsh(options):
    cases = []
    for verb, rows in options.items():
        specs = " \\\n            ".join(spec for row in rows for spec in zsh_spec(row))
        cases.append(f"    {verb or 'server'})\n        _arguments \\\n            {specs} && return\n        ;;\n")
    verbs = "\n        ".join(f"'{verb}:{about}'" for verb, about in VERBS.items())
    return f"#compdef {' '.join(PROGRAMS)}\n" + HEADER + ZSH.replace("@VERBS@", verbs).replace("@CASES@", "".join(cases))


ZSH = """
_clearwing() {
    local verb=${${words[1]:t}#clearwing-}
    local -a verbs=(
        @VERBS@
    )
    if [[ $verb == clearwing ]]; then
        verb=server
        if ((CURRENT > 2)) && (($+verbs[(r)${words[2]}:*])); then
            verb=${words[2]}
            shift words
            ((CURRENT--))
        elif ((CURRENT == 2)) && [[ ${words[2]} != -* ]]; then
            _describe verb verbs
            return
        fi
    fi
    case $verb in
@CASES@    esac
}

_clearwing "$@"
"""


# fish

def fish_flag(flag):
    name = flag.lstrip("-")
    return f"-l {name}" if flag.startswith("--") else f"-s {name}" if len(name) == 1 else f"-o {name}"


def fish_quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish(options):
    lines = [HEADER, "complete -c clearwing -f"]
    server_only = f"not __fish_seen_subcommand_from {' '.join(VERBS)}"
    for verb, about in VERBS.items():
        lines.append(f"complete -c clearwing -n __fish_use_subcommand -a {verb} -d {fish_quote(about)}")
    for verb, rows in options.items():
        condition = f"__fish_seen_subcommand_from {verb}" if verb else server_only
        lines.append("")
        if verb:
            lines.append(f"complete -c clearwing-{verb} -f")
        for row in rows:
            argument = {"": "", "FILE": " -r -F", "DIR": " -x -a '(__fish_complete_directories)'", "TEXT": " -x"}[kind(row)]
            what = " ".join(fish_flag(flag) for flag in row.flags) + argument + f" -d {fish_quote(row.help)}"
            lines.append(f"complete -c clearwing -n {fish_quote(condition)} {what}")
            if verb:
                lines.append(f"complete -c clearwing-{verb} {what}")
    return "\n".join(lines) + "\n"


FILES = {"clearwing.bash": bash, "_clearwing": zsh, "clearwing.fish": fish}


def texts(folder):
    """{file name: its text}, from the programs in a folder."""
    options = {verb: options_of(folder, verb) for verb in [SERVER, *VERBS]}
    return {name: write(options) for name, write in FILES.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin", help="folder with the programs")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "packaging" / "completions")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, text in texts(arguments.bin).items():
        (arguments.output / name).write_text(text)


if __name__ == "__main__":
    main()

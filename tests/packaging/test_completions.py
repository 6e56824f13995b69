"""The completions: as the programs' own lists say, loaded by each shell, and offering what they should."""
import importlib.util
import shlex
import subprocess

import pytest

from tests.screen.tmux import Terminal
from tests.support.server import BIN, ROOT

FOLDER = ROOT / "packaging" / "completions"
SPEC = importlib.util.spec_from_file_location("completions", ROOT / "packaging" / "completions.py")
completions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(completions)

# What is typed, and what must and must not be among the offers.
OFFERS = [
    ("clearwing pub", ["publish"], ["subscribe"]),
    ("clearwing --ht", ["--http_port"], ["--interval"]),
    ("clearwing publish --int", ["--interval"], ["--http_port"]),
    ("clearwing top --so", ["--sort"], ["--http_port"]),
    ("clearwing-top --so", ["--sort"], []),
    ("clearwing-exporter --li", ["--listen", "--limit-series"], ["--list-metrics"]),
    ("clearwing-bench --su", ["--subscribers", "--subscriber-server"], []),
    ("clearwing --config /etc/os-rel", ["/etc/os-release"], []),
]
each_offer = pytest.mark.parametrize("typed,offered,absent", OFFERS, ids=[typed for typed, _, _ in OFFERS])


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", completions.FILES)
def test_files_are_what_the_programs_say(name):
    assert (FOLDER / name).read_text() == completions.texts(BIN)[name], "run packaging/completions.py"


@pytest.mark.parametrize("verb", ["", *completions.VERBS])
def test_every_option_has_a_flag_and_a_meaning(verb):
    options = completions.options_of(BIN, verb)
    assert len(options) > 10
    assert all(option.flags and option.help for option in options)


def check(offers, offered, absent):
    assert set(offered) <= set(offers)
    assert not set(absent) & set(offers)


@each_offer
def test_bash(typed, offered, absent):
    words = typed.split()
    script = (f". {FOLDER}/clearwing.bash; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; "
              '_clearwing; printf "%s\\n" "${COMPREPLY[@]}"')
    check(run("bash", "--norc", "-c", script), offered, absent)
    assert "_clearwing" in run("bash", "--norc", "-c", f". {FOLDER}/clearwing.bash; complete -p {words[0]}")


@each_offer
def test_fish(typed, offered, absent):
    lines = subprocess.run(["fish", "--no-config", "-c", f"source {FOLDER}/clearwing.fish; complete -C '{typed}'"],
                           capture_output=True, text=True, timeout=60)
    assert lines.returncode == 0 and not lines.stderr, lines.stderr
    check([line.split("\t")[0] for line in lines.stdout.splitlines()], offered, absent)


@each_offer
def test_zsh(typed, offered, absent):
    """Only a line editor can ask zsh, so this one types into a real one and presses Tab twice for the list."""
    with Terminal(width=200, height=50) as terminal:
        terminal.type("PS1='ready> ' zsh -f", "Enter")
        terminal.wait_for(lambda text: text.endswith("ready>"))
        terminal.type(f"fpath=({FOLDER} $fpath); autoload -U compinit; compinit -u -D; echo load''ed", "Enter")
        terminal.wait_for("\nloaded\n")
        terminal.literal(typed)
        terminal.type("Tab", "Tab")
        check(terminal.wait_for(lambda text: set(offered) <= set(text.split())).split(), offered, absent)

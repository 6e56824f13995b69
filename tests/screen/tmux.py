"""A real terminal for the viewer: a tmux server of its own, whose screen can be read and typed into."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from tests.support.server import BIN

TOP = str(BIN / "clearwing-top")


class Terminal:
    """Runs a command in a window of the given size. `screen()` is what a person sees, as a list of lines."""

    def __init__(self, *command, width=80, height=24, env=None):
        self.name = f"clearwing-{os.getpid()}"
        self._folder = tempfile.mkdtemp(prefix="tmux-")
        self._environment = dict(os.environ, LANG="C.UTF-8", LC_ALL="C.UTF-8", TZ="UTC",
                                 TMUX_TMPDIR=self._folder)
        self._environment.pop("TMUX", None)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", width, "-y", height,
                  "bash --norc --noprofile")
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("set-option", "-g", "default-terminal", "tmux-256color")
        self.tmux("respawn-window", "-k", "-t", "t", "bash --norc --noprofile")
        self.tmux("resize-window", "-t", "t", "-x", width, "-y", height)
        if command:
            words = [f"export {key}={value};" for key, value in (env or {}).items()] + list(command)
            self.type("PS1='$ '; clear; " + " ".join(str(word) for word in words), "Enter")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-L", self.name, *(str(word) for word in arguments)], env=self._environment,
                              check=True, capture_output=True, text=True).stdout

    def type(self, *keys):
        self.tmux("send-keys", "-t", "t", *keys)

    def literal(self, text):
        self.tmux("send-keys", "-t", "t", "-l", text)

    def resize(self, width, height):
        self.tmux("resize-window", "-t", "t", "-x", width, "-y", height)

    def screen(self, colors=False):
        flags = ["-e", "-N"] if colors else []
        return self.tmux("capture-pane", "-p", *flags, "-t", "t").rstrip("\n").split("\n")

    def value(self, form):
        return self.tmux("display-message", "-p", "-t", "t", form).strip()

    def text(self):
        return "\n".join(self.screen())

    def wait_for(self, predicate, timeout=15, what=""):
        """Until predicate(text) is true; the screen then, or a failure that shows it. A string must be contained."""
        test = predicate if callable(predicate) else lambda text: predicate in text
        deadline = time.monotonic() + timeout
        while True:
            text = self.text()
            if test(text):
                return text
            assert time.monotonic() < deadline, f"never on the screen: {what or predicate}\n{text}"
            time.sleep(0.05)

    def child(self):
        """The pid of the program running in the window."""
        shell = self.value("#{pane_pid}")
        children = pathlib.Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[0]) if children else None

    def close(self):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], env=self._environment, capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

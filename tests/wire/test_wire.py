"""Every *.wire script of this folder, played on both servers. README.md describes the language of the scripts."""
import pathlib

import pytest

from tests.support.server import Server
from tests.wire.play import Player, WireFailure
from tests.wire.script import ScriptError, load

SCRIPTS = sorted(pathlib.Path(__file__).parent.glob("*.wire"))


def cases():
    """One case per server, script and variant: plain, and split where the script asks for it."""
    for path in SCRIPTS:
        script = load(path)
        for variant in script.variants():
            for kind in ("clearwing", "stock"):
                name = f"{kind}-{path.stem}" + ("" if variant == "plain" else f"-{variant}")
                yield pytest.param(kind, script, variant, id=name)


@pytest.mark.parametrize("kind, script, variant", list(cases()))
def test_wire(kind, script, variant, tmp_path):
    if script.lacks and kind == "clearwing":
        pytest.skip(f"clearwing lacks: {script.lacks}")
    if script.only and kind != "clearwing":
        pytest.skip(f"clearwing only: {script.only}")
    arguments = list(script.args)
    if script.config:
        file = tmp_path / "server.conf"
        file.write_text(script.config)
        arguments += ["-c", str(file)]
    failure = None
    with Server(kind, *arguments) as server:
        try:
            Player(script, server, split=variant == "split").run()
        except (WireFailure, ScriptError) as found:
            failure = f"{found}\n  log:\n" + "\n".join(server.log().splitlines()[-15:])
    if failure:
        pytest.fail(failure, pytrace=False)

"""The runner itself: what a script gets wrong and what a server gets wrong must both be noticed, with the line."""
import pytest

from tests.wire import documents, play
from tests.wire.play import Player, WireFailure
from tests.wire.script import ScriptError, line_of, load, pieces, unescape

HELLO = '# A script.\na connect\na > CONNECT {"verbose":false}\n'


def script(tmp_path, text):
    path = tmp_path / "script.wire"
    path.write_text(text)
    return load(path)


def played(tmp_path, stock, text, split=False):
    Player(script(tmp_path, text), stock, split).run()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(play, "PATIENCE", 1.0)


@pytest.mark.parametrize("text, complaint", [
    ("a connect\n", "first line is a comment"),
    ("# Empty.\n", "no statements"),
    ("# x\na conect\n", r"script.wire:2: not a statement"),
    ("# x\na connect\nargs: -D\n", r"script.wire:3: the header line 'args:' comes after"),
    ("# x\nonly: clearwing\na connect\n", r"script.wire:2: say why"),
    ("# x\nalso: twice\na connect\n", r"script.wire:2: 'also:' knows the word split"),
    ("# x\npings: no\na connect\n", r"script.wire:2: 'pings:' knows the word exact"),
    ("# x\nrepeat 3\na connect\n", r"script.wire:2: 'repeat' without 'end'"),
    ("# x\na connect\nend\n", r"script.wire:3: 'end' without 'repeat'"),
    ("# x\na connect\nvarz in_msgs\n", r"script.wire:3: varz takes 2 to"),
])
def test_mistakes_of_scripts(tmp_path, text, complaint):
    with pytest.raises(ScriptError, match=complaint):
        script(tmp_path, text)


@pytest.mark.parametrize("lines, complaint", [
    ("a > PUB foo 1\na > x\na < +OK\n", r"script.wire:6: a < \+OK"),
    ("a > SUB foo 1\na > PUB foo 1\na > x\na < MSG foo 1 1\na < y\n", r"script.wire:8: a < y"),
    ("a > SUB foo 1\na > PUB foo 1\na > x\na < MSG foo 1 1\na < x\na < PONG\n", r"script.wire:9: a < PONG"),
    ("a > SUB foo 1\na > PUB foo 1\na > x\na sync\n", r"script.wire:7: a sync"),
    ("a > PING\na expect-close\n", r"script.wire:5: a expect-close"),
    ("a > NOTHING\na sync\n", r"script.wire:5: a sync(.|\n)*closed by the server"),
    ("a > PING\na expect-silence 900\n", r"script.wire:5: a expect-silence"),
    ("a > PING\na < P<int>\n", r"script.wire:5: a < P<int>"),
    ("a > PING\npause 100\n", r"nothing more at the end of the script"),
    ("a > SUB foo 1\na > PUB foo 1\na > x\ntally a=2\n", r"script.wire:7: tally a=2(.|\n)*\"a\": 1"),
    ("varz in_msgs = 1\n", r"/varz in_msgs = 1(.|\n)*received: 0"),
    ("connz a in_msgs is absent\n", r"received: 0"),
    ("info a proto = 2\n", r"received: 1"),
    ("mark\nvarz in_msgs grew 1\n", r"at the mark: 0"),
    ("a closed Client Closed\n", r"received: \(absent\)"),
    ("repeat 3\n  a > PING\n  a < PONG\n  a < PONG\nend\n", r"repeat:   round 1"),
    ("b sync\n", "no client is called b"),
    ("a < <nonsense>\n", "unknown placeholder"),
    ("a > \\q\n", "unknown escape"),
    ("varz in_msgs is nice\n", "is not a JSON value"),
])
def test_failures_are_seen(tmp_path, stock, lines, complaint):
    with pytest.raises(WireFailure, match=complaint):
        played(tmp_path, stock, HELLO + lines)


@pytest.mark.parametrize("split", [False, True])
def test_a_good_script_passes(tmp_path, stock, split):
    played(tmp_path, stock, HELLO +
           "a > SUB foo 1\na > PUB foo 3\na > <x*3>\na < MSG foo <int> 3\na < x<word>\na sync\n"
           "repeat 2\n  a > PUB foo 1\n  a > <i>\n  a < MSG foo 1 1\n  a < <i>\nend\n"
           "varz in_msgs = 3\nmark\nvarz in_msgs grew 0\ninfo a client_id is int\n", split)


def test_long_texts_are_shown_around_the_difference(tmp_path, stock):
    with pytest.raises(WireFailure) as failure:
        played(tmp_path, stock, HELLO + "a > SUB foo 1\na > PUB foo 5001\na > <x*5000>y\n"
               "a < MSG foo 1 5001\na < <x*5000>z\n")
    assert "4940 equal bytes" in str(failure.value)
    assert len(str(failure.value)) < 1500


def test_text_of_lines():
    assert unescape(r"a\r\n\t\0\s\\\xff\<é") == b"a\r\n\t\0 \\\xff<\xc3\xa9"
    assert line_of("abc") == ("abc", b"\r\n")
    assert line_of("abc\\") == ("abc", b"")
    assert line_of("abc\\\\") == ("abc\\\\", b"\r\n")
    assert pieces(r"a<x*3>\<b") == [("text", "a"), ("<>", "x*3"), ("text", r"\<b")]
    with pytest.raises(ScriptError):
        pieces("a<b")


def test_documents():
    document = {"rows": [{"cid": 4, "list": ["b", "a"]}, {"cid": 5}], "n": 1, "yes": True}
    assert documents.find(document, "rows[cid=4].list.length") == 2
    assert documents.find(document, "rows[1].cid") == 5
    assert documents.find(document, "rows[cid=6].cid") is documents.ABSENT
    for words, value, expected in ((["=", "1"], 1, True), (["=", "1"], True, False), (["=", "true"], True, True),
                                   (["=", '"1"'], 1, False), ([">=", "2"], 1, False), (["<=", "1"], 1, True),
                                   (["members", '["a","b"]'], ["b", "a"], True), (["!=", "1"], 2, True),
                                   (["~", "^a"], "ab", True), (["!~", "^a"], "ab", False), (["is", "int"], True, False),
                                   (["is", "absent"], documents.ABSENT, True), (["=", "1"], documents.ABSENT, False)):
        assert documents.condition(words, "here")(value, None) is expected, words
    assert documents.condition(["grew", "2"], "here")(5, 3)

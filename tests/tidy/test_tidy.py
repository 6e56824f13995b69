"""Each rule holds for the tree, and notices the offence that it is about."""
import pytest

from tests.support.server import BIN
from tests.tidy import tidy

TREE = tidy.Tree(programs=BIN)


@pytest.mark.parametrize("name", tidy.RULES)
def test_the_tree(name):
    offences = list(tidy.RULES[name](TREE))
    assert not offences, "\n".join(offences)


LONG_FUNCTION = "/* A. */\nvoid a_run(void)\n{\n" + "    step();\n" * 70 + "}\n"
# Rule, file, content, part of what it must say.
OFFENCES = [
    ("function_length", "broker/a.c", LONG_FUNCTION, "a_run"),
    ("file_length", "broker/a.c", "int x;\n" * 900, "longer than"),
    ("width_and_blanks", "broker/a.c", "int x; \n", "blanks at the end"),
    ("width_and_blanks", "broker/a.c", "/* " + "x" * 140 + " */\n", "columns"),
    ("width_and_blanks", "broker/a.c", "\tint x;\n", "tab"),
    ("width_and_blanks", "broker/a.c", "int x;", "newline"),
    ("banned_calls", "broker/a.c", "int x = sprintf(a, b);\n", "sprintf"),
    ("banned_calls", "tests/unit/a.c", "int x = strcpy(a, b);\n", "strcpy"),
    ("banned_calls", "top/a.c", "void *x = malloc(4);\n", "malloc"),
    ("banned_calls", "top/a.c", "free(x);\n", "free"),
    ("c_files_open_with_an_essay_and_headers_with_their_contract", "broker/a.c", "int x;\n", "comment"),
    ("functions_are_named_after_their_file", "top/a.h", "/* A. */\nint b_run(void);\n", "b_run"),
    ("no_left_overs", "top/a.c", "/* TO" "DO: more. */\n", "unfinished"),
    ("include_direction", "broker/core/a.c", '#include "broker/net/conn.h"\n', "may not include"),
    ("include_direction", "broker/core/a.c", "#include <uv.h>\n", "only"),
    ("include_direction", "monitor/a.c", '#include "broker/core/session.h"\n', "may not include"),
    ("include_direction", "top/a.c", '#include "broker/inspect.h"\n', "may not include"),
    ("include_direction", "broker/elsewhere/a.c", "int x;\n", "in no layer"),
    ("generated_files_are_fresh", "monitor/METRICS.md", "old\n", "METRICS.md"),
    ("formatting", "top/a.c", "int  x ;\n", "clang-format -i top/a.c"),
    ("lock_files_name_no_other_registry", "package-lock.json", '"resolved": "https://mirror.example/x.tgz"\n', "mirror"),
    ("no_numbers_and_places_that_others_do_not_have", "top/a.c", "/* See #" "12. */\n", "tracker"),
    ("no_numbers_and_places_that_others_do_not_have", "a.md", "cd /ho" "me/me/src\n", "machine"),
    ("shell_scripts_are_valid", "run", "#!/usr/bin/env bash\nif\n", "syntax error"),
    ("links_lead_somewhere", "README.md", "[a](docs/b.md)\n", "docs/b.md"),
]


@pytest.mark.parametrize("name,file,content,said", OFFENCES, ids=[f"{row[0]}-{row[1]}" for row in OFFENCES])
def test_an_offence_is_noticed(tmp_path, name, file, content, said):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(content)
    offences = list(tidy.RULES[name](tidy.Tree(tmp_path, BIN)))
    assert any(said in offence for offence in offences), offences


def test_every_rule_has_an_offence():
    assert {row[0] for row in OFFENCES} == set(tidy.RULES)


def test_what_stands_in_comments_and_texts_is_no_call(tmp_path):
    (tmp_path / "top").mkdir()
    (tmp_path / "top/a.c").write_text('/* malloc(1) */\nconst char *a = "sprintf(x)"; // gets(x)\nmem_free(&x);\n')
    assert not list(tidy.RULES["banned_calls"](tidy.Tree(tmp_path)))
